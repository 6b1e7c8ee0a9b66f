//! Serves files to a browser on loopback.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

/// A server, until the test ends.
pub struct Site(SocketAddr);

impl Site {
    /// Serves files of these folders; of files with the same path, that of the first folder.
    pub fn start(folders: Vec<PathBuf>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let folders = folders.clone();
                thread::spawn(move || answer(stream, &folders));
            }
        });
        Self(address)
    }

    /// The address for a browser.
    pub fn address(&self) -> String {
        format!("http://{}", self.0)
    }
}

fn answer(mut stream: TcpStream, folders: &[PathBuf]) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    lines.find(String::is_empty)?;
    let found = folders.iter().find_map(|folder| fs::read(folder.join(&path)).ok());
    let kind = match path.rsplit('.').next() {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
    let body = found.unwrap_or_default();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok()
}
