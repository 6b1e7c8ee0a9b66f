//! A headless Chromium, controlled by the DevTools protocol over a pair of pipes.

use std::collections::VecDeque;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The longest wait for an answer. It is far longer than any answer takes, and ends the test if the browser hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A browser with one page.
pub struct Chromium {
    child: Child,
    input: ChildStdin,
    output: Receiver<Value>,
    events: VecDeque<Value>,
    session: Option<String>,
    /// The addresses from which the page may load anything.
    site: String,
    last: u64,
    _profile: TempDir,
}

impl Chromium {
    /// Starts the browser, or returns `None` if it is not installed.
    pub fn start() -> Option<Self> {
        let program = program()?;
        let profile = TempDir::new().expect("a temporary folder");
        // The browser reads file descriptor 3 and writes 4. A shell connects them to its own input and output.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let input = child.stdin.take()?;
        let messages = BufReader::new(child.stdout.take()?).split(0);
        let (sender, output) = channel();
        thread::spawn(move || {
            for message in messages.map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { break };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            input,
            output,
            events: VecDeque::new(),
            session: None,
            site: String::new(),
            last: 0,
            _profile: profile,
        };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": page["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Opens a file and waits until it is loaded.
    pub fn open(&mut self, file: &Path) {
        self.visit("file:", &format!("//{}", file.display()));
    }

    /// Opens a page of a site, such as `http://127.0.0.1:8000`, and waits until it is loaded.
    pub fn visit(&mut self, site: &str, page: &str) {
        self.events.clear();
        self.site = site.to_owned();
        self.call("Page.navigate", json!({ "url": format!("{site}{page}") }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.receive();
            self.events.push_back(event);
        }
    }

    /// Sets the width and height of the page in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32, scale: f64) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        self.settle();
    }

    /// Sets a preference of the reader, such as `prefers-color-scheme` `dark`, and the medium, such as `print`.
    pub fn prefer(&mut self, medium: &str, feature: &str, value: &str) {
        let media = json!({ "media": medium, "features": [{ "name": feature, "value": value }] });
        self.call("Emulation.setEmulatedMedia", media);
        self.settle();
    }

    /// Sets whether scripts run on pages that are opened from now on.
    pub fn scripts(&mut self, value: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !value }));
    }

    /// The value of an expression on the page, awaited.
    pub fn value(&mut self, expression: &str) -> Value {
        let call = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", call);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Like [`Chromium::value`], for a number.
    pub fn number(&mut self, expression: &str) -> f64 {
        let value = self.value(expression);
        value.as_f64().unwrap_or_else(|| panic!("{expression}: {value}"))
    }

    /// Like [`Chromium::value`], for text.
    pub fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression}: {value}")).to_owned()
    }

    /// Waits until the page is laid out and drawn.
    pub fn settle(&mut self) {
        self.value(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))",
        );
    }

    /// Moves the mouse through these points. `drag` says whether the left button is held from the first to the last.
    pub fn mouse(&mut self, path: &[(f64, f64)], drag: Button) {
        let (first, last) = (path[0], path[path.len() - 1]);
        let buttons = u8::from(drag == Button::Down);
        let send = |browser: &mut Self, kind: &str, (x, y): (f64, f64), buttons: u8| {
            let button = if drag == Button::Down { "left" } else { "none" };
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1 });
            browser.call("Input.dispatchMouseEvent", event);
        };
        send(self, "mouseMoved", first, 0);
        if drag == Button::Down {
            send(self, "mousePressed", first, 1);
        }
        for &point in &path[1..] {
            send(self, "mouseMoved", point, buttons);
        }
        if drag == Button::Down {
            send(self, "mouseReleased", last, 0);
        }
        self.settle();
    }

    /// Presses a key, such as `ArrowLeft`.
    pub fn key(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", event);
        }
        self.settle();
    }

    /// A screenshot of a part of the page as PNG, or of the whole page if `part` is `None`. The part's `x` and `y` are
    /// relative to the page's corner.
    pub fn screenshot(&mut self, part: Option<[f64; 4]>) -> Vec<u8> {
        use base64::Engine;
        let [x, y, width, height] = part.unwrap_or_else(|| {
            let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
            ["x", "y", "width", "height"].map(|name| size[name].as_f64().expect("a size"))
        });
        let clip = json!({ "x": x, "y": y, "width": width, "height": height, "scale": 1 });
        let call = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let image = self.call("Page.captureScreenshot", call);
        let image = image["data"].as_str().expect("a picture");
        base64::engine::general_purpose::STANDARD.decode(image).expect("base64")
    }

    /// The errors and messages of the page since it was opened, and its requests to other places than its site.
    pub fn complaints(&mut self) -> Vec<String> {
        self.settle();
        let complaint = |event: &Value| match event["method"].as_str()? {
            "Runtime.exceptionThrown" | "Log.entryAdded" => Some(event.to_string()),
            "Runtime.consoleAPICalled" => Some(event.to_string()),
            "Network.requestWillBeSent" => {
                let url = event["params"]["request"]["url"].as_str()?;
                let own = [self.site.as_str(), "data:", "blob:"].iter().any(|start| url.starts_with(start));
                (!own).then(|| url.to_owned())
            }
            _ => None,
        };
        self.events.iter().filter_map(complaint).collect()
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).expect("a browser that listens");
        loop {
            let answer = self.receive();
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    fn receive(&mut self) -> Value {
        self.output.recv_timeout(PATIENCE).expect("a browser that answers")
    }
}

/// The state of the left mouse button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// The button is not held.
    Up,
    /// The button is held.
    Down,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.input.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let programs = names.iter().flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)));
    programs.into_iter().find(|program| program.is_file())
}
