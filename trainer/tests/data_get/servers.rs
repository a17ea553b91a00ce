//! `lethe data get` against servers that are slow, lie, or break off.

use crate::common::{fails, program, runs};
use crate::mirror::{FAILURE, IMAGES, Setup, tiny};
use crate::server::{Request, head, honest, whole};
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

#[test]
fn after_a_cut_the_rest_alone_is_fetched() {
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 => {
            head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
            stream.write_all(&bytes[..3000])
        }
        _ => honest(request, stream, bytes),
    });
    setup.gets("mnist");
    assert_eq!(setup.ranges(), [None, Some(3000)]);
}

#[test]
fn a_later_command_continues_and_until_then_nothing_is_installed() {
    // Silent after a part, for two requests; then honest.
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 | 1 => {
            let from = request.from.unwrap_or(0);
            let range = format!("Content-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            let status = if request.from.is_some() { "206 Partial Content" } else { "200 OK" };
            head(stream, status, &[format!("Content-Length: {}", bytes.len() - from), range])?;
            stream.write_all(&bytes[from..from + 1000])?;
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        _ => honest(request, stream, bytes),
    });
    setup.refuses(
        "mnist",
        &["nothing arrived for 1 s after 2000 of", "2 attempts", "continues after the 2000 bytes in"],
    );
    assert_eq!(setup.there(), ["mnist.partial/lock", &format!("mnist.partial/{IMAGES}.part")].map(String::from)[1..]);
    let data = setup.data().display().to_string();
    let info = ["data", "info", "mnist", "--data-dir", &data];
    fails(&info, FAILURE, &["mnist not found"]);
    setup.gets("mnist");
    assert_eq!(setup.ranges(), [None, Some(1000), Some(2000)]);
    assert_eq!(setup.there().len(), 5);
    assert!(runs(&info).contains("120 training images"));
}

#[test]
fn a_killed_download_leaves_nothing_half_and_is_continued() {
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 => {
            head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
            stream.write_all(&bytes[..2500])?;
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        _ => honest(request, stream, bytes),
    });
    let part = setup.data().join(format!("mnist.partial/{IMAGES}.part"));
    let mut command = program();
    // Patient: the kill ends it, and not its own timeout.
    let arguments = setup.arguments("mnist", &[]);
    let mut child = command.args(&arguments[..9]).args(["--timeout", "30"]).spawn().unwrap();
    let length = |path: &Path| path.metadata().map_or(0, |found| found.len());
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while length(&part) < 2500 && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    // Meanwhile no other program downloads to the same place.
    fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), FAILURE, &["another program is downloading"]);
    assert_eq!(child.try_wait().unwrap(), None, "it is still there to be killed");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!setup.data().join("mnist").exists());
    setup.gets("mnist");
    assert_eq!(setup.ranges(), [None, Some(2500)]);
}

#[test]
fn servers_without_ranges_and_files_that_changed_are_begun_anew() {
    // It ignores Range.
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 => {
            head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
            stream.write_all(&bytes[..3000])
        }
        _ => whole(stream, bytes),
    });
    setup.gets("mnist");
    assert_eq!(setup.ranges(), [None, Some(3000)]);
    // It says no length: chunks, of which the first answer lacks the end, and then all until the connection ends.
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 => {
            head(stream, "200 OK", &["Transfer-Encoding: chunked".into()])?;
            write!(stream, "{:x}\r\n", 2000)?;
            stream.write_all(&bytes[..2000])?;
            write!(stream, "\r\n{:x}\r\n", 1000)?;
            stream.write_all(&bytes[2000..2100])
        }
        _ => {
            head(stream, "200 OK", &[])?;
            stream.write_all(bytes)
        }
    });
    setup.gets("mnist");
    assert_eq!(setup.ranges(), [None, Some(2100)]);
    // What an earlier program left: longer than the file, as long and of another, a beginning of another, and complete.
    let bytes = tiny()[IMAGES].clone();
    let other =
        |length: usize| bytes[..2].iter().copied().chain(std::iter::repeat(7)).take(length).collect::<Vec<u8>>();
    let all = bytes.len();
    for (left, expected) in [
        (other(all + 10), vec![Some(all + 10), None]),
        (other(all), vec![Some(all), None]),
        (other(900), vec![Some(900), None]),
        (bytes.clone(), vec![Some(all)]),
    ] {
        let setup = Setup::new(&tiny(), honest);
        fs::create_dir_all(setup.data().join("mnist.partial")).unwrap();
        fs::write(setup.data().join(format!("mnist.partial/{IMAGES}.part")), left).unwrap();
        setup.gets("mnist");
        assert_eq!(setup.ranges(), expected);
    }
}

#[test]
fn an_answer_that_is_not_the_file_destroys_nothing_of_it() {
    type Answer = fn(&Request, &mut TcpStream, &[u8]) -> std::io::Result<()>;
    let page: Answer = |_, stream, _| {
        head(stream, "200 OK", &["Content-Type: text/html".into()])?;
        stream.write_all(b"<html><title>Log in</title>")
    };
    let empty: Answer = |_, stream, _| head(stream, "200 OK", &["Content-Length: 0".into()]);
    let elsewhere: Answer = |request, stream, bytes| match request.from {
        Some(_) => {
            head(stream, "206 Partial Content", &["Content-Length: 9".into(), "Content-Range: bytes 1-9/10".into()])?;
            stream.write_all(&bytes[1..10])
        }
        None => head(stream, "404 Not Found", &["Content-Length: 0".into()]),
    };
    let beyond: Answer = |request, stream, _| match request.from {
        Some(_) => head(stream, "416 Range Not Satisfiable", &["Content-Length: 0".into()]),
        None => head(stream, "503 Busy", &["Content-Length: 0".into()]),
    };
    let cases: [(Answer, &str, &[Option<usize>]); 4] = [
        (page, "found an HTML page", &[Some(3000)]),
        (empty, "the server sent nothing", &[Some(3000), Some(3000)]),
        (elsewhere, "answered 404", &[Some(3000), None]),
        (beyond, "continues after the 3000 bytes", &[Some(3000), None, None]),
    ];
    std::thread::scope(|scope| {
        for (answer, part, asked) in cases {
            scope.spawn(move || {
                let is_honest = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
                let now = is_honest.clone();
                let setup = Setup::new(&tiny(), move |request, stream, bytes| {
                    let is_honest = now.load(std::sync::atomic::Ordering::SeqCst);
                    if is_honest { honest(request, stream, bytes) } else { answer(request, stream, bytes) }
                });
                let left = setup.data().join(format!("mnist.partial/{IMAGES}.part"));
                fs::create_dir_all(left.parent().unwrap()).unwrap();
                fs::write(&left, &tiny()[IMAGES][..3000]).unwrap();
                setup.refuses("mnist", &[IMAGES, part]);
                assert_eq!(setup.ranges(), asked, "{part}");
                assert!(fs::read(&left).unwrap() == tiny()[IMAGES][..3000], "{part}");
                is_honest.store(true, std::sync::atomic::Ordering::SeqCst);
                setup.gets("mnist");
                assert_eq!(setup.ranges()[asked.len()..], [Some(3000)], "{part}: it is continued");
            });
        }
    });
}

#[test]
fn ranges_that_a_proxy_cuts_short_are_continued() {
    let cut = |request: &Request, stream: &mut TcpStream, bytes: &[u8], longest: usize| {
        let Some(from) = request.from else {
            head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
            return stream.write_all(&bytes[..1000]);
        };
        let length = longest.min(bytes.len() - from);
        let range = format!("Content-Range: bytes {from}-{}/{}", (from + length).saturating_sub(1), bytes.len());
        head(stream, "206 Partial Content", &[format!("Content-Length: {length}"), range])?;
        stream.write_all(&bytes[from..from + length])
    };
    // More ranges than there are attempts.
    let setup = Setup::new(&tiny(), move |request, stream, bytes| cut(request, stream, bytes, 1500));
    setup.gets("mnist");
    let all = tiny()[IMAGES].len();
    let expected: Vec<_> = std::iter::once(None).chain((1000..all).step_by(1500).map(Some)).collect();
    assert!(expected.len() > 4);
    assert_eq!(setup.ranges(), expected);
    // Empty ranges are no progress.
    let setup = Setup::new(&tiny(), move |request, stream, bytes| cut(request, stream, bytes, 0));
    setup.refuses("mnist", &[IMAGES, "the server sent nothing after 1000 bytes", "2 attempts", "1000 bytes in"]);
    assert_eq!(setup.ranges(), [None, Some(1000)]);
}

#[test]
fn lies_of_the_server_are_told_and_nothing_is_installed() {
    type Lie = fn(&Request, &mut TcpStream, &[u8]) -> std::io::Result<()>;
    let lies: [(Lie, &[&str]); 7] = [
        (
            |_, stream, bytes| {
                head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len() - 100)])?;
                stream.write_all(bytes)
            },
            &["expected the MD5 checksum", "--checksums FILE"],
        ),
        (
            |_, stream, bytes| {
                head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len() + 100)])?;
                stream.write_all(bytes)
            },
            &["the connection ended after", "2 attempts"],
        ),
        (
            |_, stream, bytes| {
                head(stream, "200 OK", &["Content-Length: 99999999999999".into()])?;
                stream.write_all(bytes)
            },
            &["expected at most 536870912 bytes, found 99999999999999 announced"],
        ),
        (
            |_, stream, _| {
                head(stream, "200 OK", &["Content-Type: text/html".into()])?;
                stream.write_all(b"<!DOCTYPE html><title>Log in</title>")
            },
            &["expected a file compressed by gzip, found an HTML page"],
        ),
        (
            |_, stream, _| head(stream, "404 Not Found", &["Content-Length: 0".into()]),
            &["answered 404 (not found)", "--from URL"],
        ),
        (|_, stream, _| stream.write_all(b"220 smtp ready\r\n\r\n"), &["2 attempts", "try again later"]),
        (
            |_, stream, bytes| {
                let mut wrong = bytes.to_vec();
                wrong[2000] ^= 1;
                whole(stream, &wrong)
            },
            &["expected the MD5 checksum", "nothing is installed"],
        ),
    ];
    std::thread::scope(|scope| {
        for (lie, parts) in lies {
            scope.spawn(move || {
                let setup = Setup::new(&tiny(), lie);
                setup.refuses("mnist", &[&[IMAGES], parts].concat());
            });
        }
    });
}

#[test]
fn servers_that_drip_or_do_not_answer_are_given_up() {
    let drip = |_: &Request, stream: &mut TcpStream, bytes: &[u8]| {
        head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
        bytes.iter().try_for_each(|byte| {
            std::thread::sleep(Duration::from_millis(100));
            stream.write_all(&[*byte])
        })
    };
    let silent = |_: &Request, _: &mut TcpStream, _: &[u8]| {
        std::thread::sleep(Duration::from_secs(20));
        Ok(())
    };
    std::thread::scope(|scope| {
        scope.spawn(|| Setup::new(&tiny(), drip).refuses("mnist", &["bytes arrived in 1 s", "2 attempts"]));
        scope.spawn(|| {
            let setup = Setup::new(&tiny(), silent);
            setup.refuses("mnist", &["the server does not answer", "2 attempts"]);
            assert_eq!(setup.there(), [""; 0], "nothing is left");
        });
    });
    // Nobody listens there.
    let fails_to_connect =
        ["data", "get", "mnist", "--data-dir", "d", "--from", "http://127.0.0.1:9", "--retries", "0"];
    fails(&fails_to_connect, FAILURE, &["http://127.0.0.1:9/train-images", "the connection was refused", "1 attempt;"]);
}
