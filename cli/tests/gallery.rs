//! The page of `aecodec receive --web`: what it serves, what it refuses, and how it looks in a browser.

mod network;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aecodec_tests::chromium::{self, Chromium};
use aecodec_tests::impair::{Profile, Proxy};
use aecodec_tests::link::{Conditions, Queue, Rate};
use network::{Place, Receiver, by_way_of, repository};

/// Starts a receiver with a page, and returns it with the address and the root path of the page.
fn served(place: &Place, args: &str) -> (Receiver, String, String) {
    let mut receiver = place.receive(&format!("--out inbox {args}"));
    let url = receiver.program.until("page")["url"].as_str().expect("an address").to_owned();
    let rest = url.strip_prefix("http://").expect("an address");
    let (address, path) = rest.split_once('/').expect("a path");
    // A socket at every address is reached at this one.
    let address = address.replace("0.0.0.0", "127.0.0.1");
    (receiver, address, format!("/{path}"))
}

/// Status, head and content of an answer.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

fn ask(address: &str, method: &str, path: &str, host: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a limit");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: bytes.split_off(end + 4) }
}

fn get(address: &str, path: &str) -> Answer {
    ask(address, "GET", path, address)
}

/// The events so far, up to the first one that contains `last`.
fn events(address: &str, path: &str, last: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a limit");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("sent");
    let mut text = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        text += &line;
        text += "\n";
        if line.contains(last) {
            return text;
        }
    }
    panic!("no {last} in {text}");
}

fn send(place: &Place, ticket: &str, pictures: &str) {
    place.run(&format!("send --json --state camera --label camera-7 --to {ticket} {pictures}")).with(0);
}

#[test]
fn the_page_offers_what_arrived_and_nothing_else() {
    let place = Place::new();
    place.sample("glass-alpha.png", "a b\"ü.png");
    place.put("inbox/private.txt", b"not a picture");
    let (receiver, address, root) = served(&place, "--web 127.0.0.1:0");
    assert_eq!(root, "/");
    let page = get(&address, "/");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{}", page.head);
    assert!(page.head.contains("referrer-policy: no-referrer"), "{}", page.head);

    let sent = format!("send --json --state camera --label camera-7 --to {}", receiver.ticket);
    let mut command = place.command(&sent);
    command.arg("a b\"ü.png");
    network::Program::start(command).end().with(0);
    let told = events(&address, "/events", "\"state\":\"arrived\"");
    assert!(told.contains("event: all") && told.contains("\"id\":1") && told.contains("camera-7"), "{told}");

    let name = &place.files("inbox").into_iter().find(|name| name.ends_with(".aec")).expect("a picture");
    let aec = get(&address, "/aec/1");
    assert!(aec.status == 200 && aec.body == place.read(&format!("inbox/{name}")));
    assert!(aec.head.contains("content-disposition: attachment; filename*=utf-8''a%20b"), "{}", aec.head);
    let [thumbnail, png] = ["/thumb/1", "/png/1"].map(|path| get(&address, path));
    assert!(thumbnail.head.contains("content-type: image/jpeg"), "{}", thumbnail.head);
    let thumbnail = image::load_from_memory(&thumbnail.body).expect("a JPEG");
    // The corner of the sample is transparent, and the thumbnail is on white.
    assert!(thumbnail.to_rgb8().get_pixel(1, 1).0.iter().all(|&sample| sample > 240));
    assert_eq!(thumbnail.width().max(thumbnail.height()).min(480), thumbnail.width().max(thumbnail.height()));
    let png = image::load_from_memory(&png.body).expect("a PNG");
    let mut decode = place.command("decompress -o decoded.png");
    decode.arg(place.path("inbox").join(name));
    network::Program::start(decode).end().with(0);
    assert_eq!(png, image::open(place.path("decoded.png")).expect("a picture"));

    for path in [
        "/aec/2",
        "/aec/0",
        "/aec/-1",
        "/aec/1/..",
        "/aec/../private.txt",
        "/aec/..%2fprivate.txt",
        "/private.txt",
        "/../inbox/private.txt",
        "/aec/1%00",
        "/raw/1",
        "/preview/1",
        "/.aecodec/key",
        "//",
        "/events/",
        "/aec/18446744073709551617",
    ] {
        let answer = get(&address, path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("not a picture"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        assert_eq!(ask(&address, method, "/aec/1", &address).status, 405, "{method}");
    }
    // A foreign page whose name leads to this host.
    assert_eq!(ask(&address, "GET", "/events", "pictures.example.org").status, 404);
    assert!(place.path("inbox").join(name).exists());
    receiver.program.stop().with(0);
}

#[test]
fn a_page_for_other_hosts_has_a_token() {
    let place = Place::new();
    place.picture("a.png", 1);
    let (receiver, address, root) = served(&place, "--web 0.0.0.0:0");
    assert!(root.len() > 20 && root.ends_with('/'), "{root}");
    send(&place, &receiver.ticket, "a.png");
    events(&address, &format!("{root}events"), "\"state\":\"arrived\"");
    assert_eq!(get(&address, &format!("{root}aec/1")).body, place.read("inbox/a.aec"));
    let wrong = format!("/{}/", "a".repeat(root.len() - 2));
    for path in ["/", "/events", "/aec/1", wrong.as_str(), &root[..root.len() - 1], &root.to_uppercase()] {
        assert_eq!(get(&address, path).status, 404, "{path}");
    }
}

#[test]
fn without_the_flag_there_is_no_page_and_an_address_in_use_is_an_error() {
    let place = Place::new();
    let receiver = place.receive("--out plain");
    assert!(receiver.program.stop().with(0).all("page").is_empty());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let ended = place.run(&format!("receive --out inbox --listen 127.0.0.1:0 --web {address}"));
    assert!(ended.errors.contains("choose another address with --web"), "{}", ended.errors);
}

#[test]
fn more_connections_than_the_limit_are_closed_and_the_others_go_on() {
    let place = Place::new();
    let (_receiver, address, _) = served(&place, "--web 127.0.0.1:0");
    let idle: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(&address).expect("a connection")).collect();
    // The newest are closed, and the first ones still answer.
    let mut last = idle.last().expect("one").try_clone().expect("a socket");
    last.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    assert!(matches!(last.read(&mut [0]), Ok(0) | Err(_)));
    let mut first = idle.first().expect("one").try_clone().expect("a socket");
    first.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    write!(first, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut text = String::new();
    first.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

/// Waits until an expression on the page is true.
fn wait(browser: &mut Chromium, expression: &str) {
    let deadline = Instant::now() + chromium::PATIENCE;
    while browser.value(expression) != true {
        assert!(Instant::now() < deadline, "{expression}: {}", browser.text("document.body.innerText"));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs Chromium"]
fn pictures_appear_while_they_arrive_in_a_browser() {
    let place = Place::new();
    let (receiver, address, root) = served(&place, "--preview --web 0.0.0.0:0");
    let mut browser = Chromium::start().expect("Chromium is needed");
    browser.resize(1200, 900, 1.0);
    browser.visit(&format!("http://{address}"), &root);
    wait(&mut browser, "document.getElementById('status').textContent === 'No pictures yet.'");
    browser.value(
        "window.seen = new Set(); new MutationObserver(() => [...document.images].forEach((image) => \
         image.addEventListener('load', () => seen.add(new URL(image.src).pathname.split('/').at(-2))))) \
         .observe(document.getElementById('pictures'), { childList: true })",
    );
    // A slow line, so that there is time for a preview.
    let line = Conditions { rate: Rate::fixed(100_000), queue: Queue::Packets(25), ..Conditions::default() };
    let profile = Profile { up: line, down: Conditions::default(), rebind: None };
    let proxy = Proxy::start(receiver.address, profile, 1).expect("a proxy");

    let samples = repository().join("samples");
    let sample = |name: &str| samples.join(name).display().to_string();
    let pictures = ["hills.aec", "interior-gray.aec"].map(sample).join(" ");
    send(&place, &by_way_of(&receiver.ticket, proxy.addr), &pictures);
    wait(&mut browser, "document.querySelectorAll('#pictures li.arrived').length === 2");
    assert_eq!(browser.value("seen.has('preview')"), true, "a preview comes first");
    wait(&mut browser, "[...document.images].every((image) => image.complete && image.naturalWidth > 100)");
    assert_eq!(browser.text("document.getElementById('status').textContent"), "2 pictures.");
    let sender = browser.text("document.getElementById('senders').innerText");
    assert!(sender.contains("camera-7") && sender.contains('2'), "{sender}");

    for width in [360, 1200] {
        browser.resize(width, 900, 1.0);
        let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.number(over), 0.0, "at {width}");
    }
    // A page that is opened later shows the same.
    browser.visit(&format!("http://{address}"), &root);
    wait(&mut browser, "document.querySelectorAll('#pictures li.arrived').length === 2");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    receiver.program.stop().with(0);
}
