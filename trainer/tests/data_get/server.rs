//! A server of HTTP on this machine, which answers as a test wants it to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path without its slash.
    pub file: String,
    /// The first byte that is wanted.
    pub from: Option<usize>,
    /// How many requests for this file there were before.
    pub earlier: usize,
}

/// It runs until the test ends.
pub struct Server {
    pub address: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// A server that answers like this. Each connection has one request and a thread of its own.
    pub fn new(answer: impl Fn(&Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::<Request>::new()));
        let (all, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (all, answer) = (all.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(mut request) = read(&stream) else { return };
                    {
                        let mut all = all.lock().unwrap();
                        request.earlier = all.iter().filter(|other| other.file == request.file).count();
                        all.push(request.clone());
                    }
                    // The program may end the connection before the answer ends.
                    let _ = answer(&request, &mut stream);
                });
            }
        });
        Server { address, asked }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let file = lines.next()?.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let mut from = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            from = range.strip_suffix('-').and_then(|from| from.parse().ok());
        }
    }
    Some(Request { file, from, earlier: 0 })
}

/// A head of an answer: its status and its other lines.
pub fn head(stream: &mut TcpStream, status: &str, lines: &[String]) -> std::io::Result<()> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{lines}\r\n")
}

/// The whole of a file, whatever was asked for.
pub fn whole(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
    stream.write_all(bytes)
}

/// What was asked for, as an honest server sends it.
pub fn honest(request: &Request, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let all = bytes.len();
    match request.from {
        None => whole(stream, bytes),
        Some(from) if from >= all => head(
            stream,
            "416 Range Not Satisfiable",
            &["Content-Length: 0".into(), format!("Content-Range: bytes */{all}")],
        ),
        Some(from) => {
            let range = format!("Content-Range: bytes {from}-{}/{all}", all - 1);
            head(stream, "206 Partial Content", &[format!("Content-Length: {}", all - from), range])?;
            stream.write_all(&bytes[from..])
        }
    }
}
