//! Serves the page.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aecodec_receiver::{Event, Models};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::access::Access;
use crate::body::Body;
use crate::pictures;
use crate::shown::{Shown, Table};

/// The most connections at a time; further ones are closed at once. A browser opens up to seven.
const CONNECTIONS: usize = 64;
/// Pictures that are decoded at a time.
const DECODES: usize = 2;
/// How long a browser may take for the head of a request, and stay connected without one.
const HEAD: Duration = Duration::from_secs(20);
/// How often browsers are asked whether they are still there.
const PING: Duration = Duration::from_secs(15);
/// The page loads its own files and nothing else, and no other page may show it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FILES: [(&str, &str, &str); 3] = [
    ("", "text/html; charset=utf-8", include_str!("../page/index.html")),
    ("gallery.css", "text/css; charset=utf-8", include_str!("../page/gallery.css")),
    ("gallery.js", "text/javascript; charset=utf-8", include_str!("../page/gallery.js")),
];

/// The pictures of a receiver, for browsers. It is cheap to clone.
#[derive(Clone)]
pub struct Gallery(Arc<Shared>);

struct Shared {
    models: Models,
    table: Mutex<Table>,
    thumbnails: Mutex<BTreeMap<u64, Bytes>>,
    decodes: Semaphore,
}

impl std::fmt::Debug for Gallery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gallery").finish_non_exhaustive()
    }
}

impl Gallery {
    /// A gallery without pictures, which decodes with these models.
    pub fn new(models: Models) -> Self {
        let decodes = Semaphore::new(DECODES);
        Self(Arc::new(Shared { models, table: Mutex::default(), thumbnails: Mutex::default(), decodes }))
    }

    /// Takes an event of the receiver.
    pub fn take(&self, event: &Event) {
        lock(&self.0.table).take(event);
    }

    /// Serves the page at a socket, until this is dropped. Call it inside a tokio runtime.
    pub async fn serve(self, listener: TcpListener, access: Access) {
        let (access, free) = (Arc::new(access), Arc::new(Semaphore::new(CONNECTIONS)));
        let mut connections = JoinSet::new();
        let mut ping = tokio::time::interval(PING);
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = ping.tick() => {
                    lock(&self.0.table).ping();
                    continue;
                }
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, _)) = stream else {
                // Too many files are open, for example: others may be closed soon.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&free).try_acquire_owned() else { continue };
            let (gallery, access) = (self.clone(), Arc::clone(&access));
            connections.spawn(async move {
                let service = service_fn(move |request| {
                    let (gallery, access) = (gallery.clone(), Arc::clone(&access));
                    async move { Ok::<_, Infallible>(gallery.answer(&request, &access).await) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD);
                // A browser that breaks the protocol or leaves is none of our concern.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
                drop(permit);
            });
        }
    }

    async fn answer(&self, request: &Request<Incoming>, access: &Access) -> Response<Body> {
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "This page can only be read.");
        }
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let Some(path) = access.allowed(request.uri().path(), host) else {
            return plain(StatusCode::NOT_FOUND, "There is nothing here. The address may lack its token.");
        };
        if let Some((_, kind, text)) = FILES.iter().find(|(name, ..)| *name == path) {
            return answer(kind, "no-cache", Body::Whole(Some(Bytes::from_static(text.as_bytes()))));
        }
        if path == "events" {
            return answer("text/event-stream", "no-store", Body::Events(lock(&self.0.table).watch()));
        }
        let found = path.split_once('/').and_then(|(kind, id)| {
            let shown = lock(&self.0.table).picture(id.parse().ok()?)?;
            Some((kind, shown))
        });
        match found {
            Some((kind, shown)) => self.picture(kind, shown).await,
            None => plain(StatusCode::NOT_FOUND, "There is no such picture."),
        }
    }

    /// A picture in the form that was asked for.
    async fn picture(&self, form: &str, shown: Shown) -> Response<Body> {
        let Shown { id, name, file, preview, .. } = shown;
        let work = match (form, file, preview) {
            ("preview", _, Some(preview)) => self.work("image/jpeg", move |_| Ok(fs::read(preview)?)).await,
            ("thumb", Some(file), _) => self.thumbnail(id, file.as_path()).await,
            ("png", Some(file), _) => {
                self.work("image/png", move |models| pictures::png(&file, models)).await
            }
            ("aec", Some(file), _) => self.work("image/x-aec", move |_| Ok(fs::read(file)?)).await,
            _ => Err("It has not arrived, or this form of it does not exist.".into()),
        };
        let mut response = match work {
            Ok((kind, bytes)) => answer(kind, "private, max-age=3600", Body::Whole(Some(bytes))),
            Err(error) => return plain(StatusCode::NOT_FOUND, &format!("{name}: {error}")),
        };
        let extension = match form {
            "png" => "png",
            "aec" => "aec",
            _ => return response,
        };
        let stem = name.rsplit('/').next().unwrap_or_default();
        let stem = stem.strip_suffix(".aec").unwrap_or(stem);
        let value = format!("attachment; filename*=UTF-8''{}.{extension}", escaped(stem));
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        }
        response
    }

    async fn thumbnail(&self, id: u64, file: &Path) -> Made {
        if let Some(bytes) = lock(&self.0.thumbnails).get(&id) {
            return Ok(("image/jpeg", bytes.clone()));
        }
        let file = file.to_owned();
        let (kind, bytes) = self.work("image/jpeg", move |models| pictures::thumbnail(&file, models)).await?;
        let oldest = lock(&self.0.table).oldest();
        let mut thumbnails = lock(&self.0.thumbnails);
        thumbnails.retain(|&id, _| id >= oldest);
        thumbnails.insert(id, bytes.clone());
        Ok((kind, bytes))
    }

    /// Does work that blocks, in turn with others.
    async fn work(
        &self,
        kind: &'static str,
        work: impl FnOnce(&Models) -> std::result::Result<Vec<u8>, Failure> + Send + 'static,
    ) -> Made {
        let _turn = self.0.decodes.acquire().await.map_err(|error| error.to_string())?;
        let shared = Arc::clone(&self.0);
        let done =
            tokio::task::spawn_blocking(move || work(&shared.models).map_err(|error| error.to_string()));
        let bytes = done.await.map_err(|error| error.to_string())??;
        Ok((kind, bytes.into()))
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Made = std::result::Result<(&'static str, Bytes), String>;

/// A panic in one request must not stop the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(kind: &'static str, cache: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address holds the token.
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let body = Body::Whole(Some(Bytes::from(format!("{text}\n"))));
    let mut response = answer("text/plain; charset=utf-8", "no-store", body);
    *response.status_mut() = status;
    response
}

/// A name with `%XX` for everything except letters, digits, `-`, `_` and `.` (RFC 5987).
fn escaped(name: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
