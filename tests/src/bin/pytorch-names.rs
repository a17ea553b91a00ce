//! Prints docs/pytorch.md.

fn main() {
    print!("{}", lethe_tests::pytorch_names::page());
}
