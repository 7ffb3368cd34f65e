//! An upstream whose every byte the test sends and takes itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// One connection from the gateway.
pub(crate) struct Socket {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Socket {
    /// Reads a request's head; the lines of it, or none when the connection ends.
    pub(crate) fn head(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).ok()?;
            match line.trim_end() {
                "" if line.is_empty() => return None,
                "" => return Some(lines),
                text => lines.push(text.to_owned()),
            }
        }
    }

    /// Sends bytes; whether the other side still takes them.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Waits until the other side closes.
    pub(crate) fn closed(&mut self) -> bool {
        let end = self.reader.read_to_end(&mut Vec::new());
        end.is_ok() || end.is_err_and(|it| it.kind() == std::io::ErrorKind::ConnectionReset)
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read(into)
    }
}

/// Serves each connection on a thread of its own for as long as the process lives.
pub(crate) fn by_hand(serve: impl Fn(Socket) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
            let reader = BufReader::new(stream.try_clone().expect("a second handle of the socket"));
            std::thread::spawn(move || serve(Socket { stream, reader }));
        }
    });
    address
}
