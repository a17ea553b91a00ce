//! The blocks of Rust in the README and the guide, compiled and run as tests.

macro_rules! pages {
    ($($name:ident $path:literal)*) => { $(
        #[doc = include_str!(concat!("../../", $path))]
        mod $name {}
    )* };
}

pages! {
    readme "README.md"
    from_a_tensor_to_a_kernel "docs/guide/from-a-tensor-to-a-kernel.md"
    how_the_tape_works "docs/guide/how-the-tape-works.md"
    extending "docs/guide/extending.md"
}
