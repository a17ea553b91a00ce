//! Downloads one file over HTTP, and goes on where an earlier attempt ended.
//!
//! What arrives is appended to a file `NAME.part`. The next attempt, also that of a later process, asks for the rest of it alone (`Range`), and for the
//! next part after a range that a proxy cut short. Servers that send the whole instead, or another part, or whose file has another length by now, begin it
//! anew, but not before a compressed file begins to arrive: a page in its place destroys nothing. Nothing that a server says of lengths is believed: it
//! may end an attempt early, but only the checksum, which the caller compares, makes a file complete.

use super::error::DownloadError;
use super::progress::Transfers;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Agent, Body};

/// No file of these data sets is as long.
const LIMIT: u64 = 512 << 20;
/// The number of bytes that must arrive in the time in which a silent server is given up.
const LEAST: u64 = 1024;
const PIECE: usize = 1 << 16;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How long servers are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The number of times that a file is tried again.
    pub retries: usize,
    /// The time in which a server must answer, and in which anything must arrive.
    pub timeout: Duration,
    /// The pause after the first failure, which doubles from one to the next.
    pub pause: Duration,
}

/// Why an attempt ended.
enum Trouble {
    /// The next one may succeed.
    Passing(String),
    /// No other one will.
    Lasting(DownloadError),
}

/// Downloads files from addresses.
pub struct Fetcher {
    agent: Agent,
    patience: Patience,
}

impl Fetcher {
    /// With this patience.
    pub fn new(patience: Patience) -> Fetcher {
        let timeout = Some(patience.timeout);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("lethe/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_send_request(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout);
        #[cfg(feature = "tls")]
        let config = config.tls_config(certificates());
        Fetcher { agent: Agent::new_with_config(config.build()), patience }
    }

    /// Downloads to a file that may have the beginning of it. Says whether its beginning is of an earlier process.
    ///
    /// # Errors
    /// If the server does not give the file, also after more attempts, or if it cannot be written. What arrived is kept.
    pub fn fetch(&self, url: &str, path: &Path, name: &str, shown: &mut Transfers) -> Result<bool, DownloadError> {
        let mut part = Part::open(path)?;
        part.is_resumed = part.length()? > 0;
        let mut failures = 0;
        loop {
            let outcome = self.request(url, &mut part, name, shown);
            if !matches!(outcome, Ok(false)) {
                shown.end();
                part.pace = None;
            }
            match outcome {
                Ok(true) => break,
                Ok(false) => {}
                Err(Trouble::Lasting(error)) => return Err(error),
                Err(Trouble::Passing(what)) if failures == self.patience.retries => {
                    let (url, kept, part) = (url.to_owned(), part.length()?, path.to_owned());
                    return Err(DownloadError::GaveUp { url, what, attempts: failures + 1, kept, part });
                }
                Err(Trouble::Passing(what)) => {
                    let doubled = self.patience.pause.saturating_mul(1 << failures.min(16));
                    failures += 1;
                    shown.warn(&format!("{name}: {what}; trying again"));
                    std::thread::sleep(doubled.min(LONGEST_PAUSE));
                }
            }
        }
        part.file.sync_all().map_err(|e| DownloadError::write(path, e))?;
        Ok(part.is_resumed)
    }

    /// Asks for what is missing, and appends it. Says whether the file is complete; if not, the next request brings more, or is another one.
    fn request(&self, url: &str, part: &mut Part, name: &str, shown: &mut Transfers) -> Result<bool, Trouble> {
        let have = if part.is_useless { 0 } else { part.length().map_err(Trouble::Lasting)? };
        // The bytes of the file itself are wanted: checksums and ranges are of them.
        let mut request = self.agent.get(url).header(header::ACCEPT_ENCODING, "identity");
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = request.call().map_err(|error| trouble(url, error))?;
        let (status, range) = (response.status(), Range::of(response.headers()));
        let start = match status {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if have > 0 && range.is_some_and(|range| range.start == Some(have)) => have,
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 && range.is_some_and(|range| range.total == Some(have)) => {
                return Ok(true);
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                part.is_useless = true;
                shown.warn(&format!("{name}: the server has no rest of it after {have} bytes; asking for the whole"));
                return Ok(false);
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => return Err(busy(status)),
            _ if status.is_server_error() => return Err(busy(status)),
            _ => {
                let (url, status) = (url.to_owned(), status.as_u16());
                return Err(Trouble::Lasting(DownloadError::Status { url, status }));
            }
        };
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let body = response.into_body();
        let end = body.content_length().map(|length| start.saturating_add(length));
        let total = range.filter(|_| start > 0).and_then(|range| range.total).or(end);
        if let Some(total) = total.max(end).filter(|total| *total > LIMIT) {
            return Err(Trouble::Lasting(too_long(url, format!("{total} announced"))));
        }
        // From one range to the next it is the same transfer.
        if part.pace.is_none() {
            shown.begin(name, start, total);
        }
        Incoming { url, part, start, at: start, end, total, kind, timeout: self.patience.timeout }.receive(body, shown)
    }
}

/// The file for what arrives.
struct Part<'a> {
    file: File,
    path: &'a Path,
    /// Whether its beginning is of an earlier process.
    is_resumed: bool,
    /// Whether the server does not continue it. It is kept nevertheless until the file begins to arrive.
    is_useless: bool,
    /// Since when how many bytes arrived.
    pace: Option<(Instant, u64)>,
}

impl Part<'_> {
    /// No other program may write it.
    fn open(path: &Path) -> Result<Part<'_>, DownloadError> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|e| DownloadError::write(path, e))?;
        Ok(Part { file, path, is_resumed: false, is_useless: false, pace: None })
    }

    /// Its length; what is written next is appended.
    fn length(&mut self) -> Result<u64, DownloadError> {
        self.file.seek(SeekFrom::End(0)).map_err(|e| DownloadError::write(self.path, e))
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        (self.is_resumed, self.is_useless) = (false, false);
        // Devices, which have no length to set, need not be emptied.
        if self.file.seek(SeekFrom::End(0))? > 0 {
            self.file.set_len(0).and_then(|()| self.file.rewind())
        } else {
            Ok(())
        }
    }
}

/// A body that arrives.
struct Incoming<'a, 'p> {
    url: &'a str,
    part: &'a mut Part<'p>,
    /// Where in the file the body begins.
    start: u64,
    at: u64,
    /// Where it ends, by the length that the server announces.
    end: Option<u64>,
    /// The length of the file that it announces; proxies send shorter ranges.
    total: Option<u64>,
    /// The type that it announces.
    kind: Option<String>,
    timeout: Duration,
}

impl Incoming<'_, '_> {
    fn receive(&mut self, body: Body, shown: &mut Transfers) -> Result<bool, Trouble> {
        let (mut reader, mut piece) = (body.into_reader(), vec![0; PIECE]);
        // The first piece of a file. What is there of it gives way when this is known to be one, and not a page about it.
        let mut first = (self.start == 0).then(Vec::new);
        let path = self.part.path;
        let write = |e| Trouble::Lasting(DownloadError::write(path, e));
        let (mut since, mut arrived) = self.part.pace.unwrap_or_else(|| (Instant::now(), 0));
        loop {
            let read = match reader.read(&mut piece) {
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.ended(Some(e))),
            };
            if read == 0 {
                self.part.pace = Some((since, arrived));
                return self.is_complete();
            }
            let mut bytes = &piece[..read];
            if let Some(head) = &mut first {
                head.extend_from_slice(bytes);
                if head.len() < GZIP.len() {
                    continue;
                }
                self.check_head(head)?;
                self.part.begin_anew().map_err(write)?;
                bytes = head;
            }
            self.part.file.write_all(bytes).map_err(write)?;
            (self.at, arrived) = (self.at + bytes.len() as u64, arrived + bytes.len() as u64);
            first = None;
            if self.at > LIMIT {
                // Nothing of it is worth keeping.
                self.part.file.set_len(0).map_err(write)?;
                return Err(Trouble::Lasting(too_long(self.url, "more".to_owned())));
            }
            shown.at(self.at);
            if since.elapsed() >= self.timeout {
                if arrived < LEAST {
                    let what = format!("only {arrived} bytes arrived in {} s", self.timeout.as_secs_f64());
                    return Err(Trouble::Passing(what));
                }
                (since, arrived) = (Instant::now(), 0);
            }
        }
    }

    /// After the last byte of the body: whether it is that of the file.
    fn is_complete(&self) -> Result<bool, Trouble> {
        if self.end.is_some_and(|end| end != self.at) {
            return Err(self.ended(None));
        }
        let is_whole = self.total.is_none_or(|total| total <= self.at);
        if self.at == self.start && (self.start == 0 || !is_whole) {
            return Err(Trouble::Passing(format!("the server sent nothing after {} bytes", self.at)));
        }
        Ok(is_whole)
    }

    /// Refuses a page about the file in its place.
    fn check_head(&self, head: &[u8]) -> Result<(), Trouble> {
        if head.starts_with(&GZIP) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(head).trim_start().to_lowercase();
        let is_html = ["<!doctype", "<html", "<head"].iter().any(|start| text.starts_with(start));
        let found = match (&self.kind, is_html) {
            (Some(kind), false) if !kind.contains("html") => format!("something else ({kind})"),
            (None, false) => "something else".to_owned(),
            _ => "an HTML page".to_owned(),
        };
        Err(Trouble::Lasting(DownloadError::NotGzip { url: self.url.to_owned(), found }))
    }

    /// The connection ended before the file.
    fn ended(&self, error: Option<io::Error>) -> Trouble {
        let of = self.total.map_or_else(String::new, |total| format!(" of {total}"));
        let why = match error {
            Some(error) if is_timeout(&error) => {
                format!("nothing arrived for {} s", self.timeout.as_secs_f64())
            }
            _ => "the connection ended".to_owned(),
        };
        Trouble::Passing(format!("{why} after {}{of} bytes", self.at))
    }
}

/// The certificates that the system trusts, as its other programs do: also that of a company's proxy.
#[cfg(feature = "tls")]
fn certificates() -> ureq::tls::TlsConfig {
    ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build()
}

/// A range of a file, as `Content-Range` has it: `bytes 5-9/10`, `bytes */10`, `bytes 5-9/*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: Option<u64>,
    total: Option<u64>,
}

impl Range {
    fn of(headers: &HeaderMap) -> Option<Range> {
        Range::parse(headers.get(header::CONTENT_RANGE)?.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Range> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let start = range.split_once('-').and_then(|(start, _)| start.trim().parse().ok());
        Some(Range { start, total: total.trim().parse().ok() })
    }
}

fn busy(status: StatusCode) -> Trouble {
    Trouble::Passing(format!("the server answered {}", status.as_u16()))
}

fn too_long(url: &str, found: String) -> DownloadError {
    DownloadError::TooLong { url: url.to_owned(), limit: LIMIT, found }
}

fn is_timeout(error: &io::Error) -> bool {
    let own = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    matches!(own, Some(ureq::Error::Timeout(_))) || error.kind() == io::ErrorKind::TimedOut
}

/// What no answer means.
fn trouble(url: &str, error: ureq::Error) -> Trouble {
    use ureq::Error;
    match error {
        Error::Timeout(_) => Trouble::Passing("the server does not answer".to_owned()),
        Error::Io(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            Trouble::Passing("the connection was refused".to_owned())
        }
        // What TLS refuses.
        Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
            let what = format!("no secure connection: {e} (the certificates that the system trusts are asked)");
            Trouble::Lasting(DownloadError::Request { url: url.to_owned(), what })
        }
        Error::Io(e) => Trouble::Passing(format!("no answer: {e}")),
        Error::ConnectionFailed => Trouble::Passing("no connection to the server".to_owned()),
        Error::Protocol(e) => Trouble::Passing(format!("the answer is not HTTP: {e}")),
        other => {
            let what = match other {
                Error::HostNotFound => "there is no such host, or no network".to_owned(),
                Error::TlsRequired => {
                    "this program was built without TLS (its feature `tls`), which https needs".to_owned()
                }
                other => other.to_string(),
            };
            Trouble::Lasting(DownloadError::Request { url: url.to_owned(), what })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_answers_are_read_and_other_texts_are_none() {
        let range = |start, total| Some(Range { start, total });
        for (text, expected) in [
            ("bytes 5-9/10", range(Some(5), Some(10))),
            ("bytes 5-9/*", range(Some(5), None)),
            ("bytes */10", range(None, Some(10))),
            ("bytes -/", range(None, None)),
            ("bytes 99999999999999999999-1/1", range(None, Some(1))),
            ("bytes 5-9", None),
            ("items 5-9/10", None),
            ("", None),
        ] {
            assert_eq!(Range::parse(text), expected, "{text}");
        }
    }
}
