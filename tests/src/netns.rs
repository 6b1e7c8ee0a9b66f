//! A command in a network namespace of its own, behind a line of a given rate: the kernel's queue instead of ours.
//!
//! Needs root, `ip` and the kernel's token bucket (tbf). Delay and loss (netem) are missing from some kernels: for these
//! there is [`Proxy`](crate::impair::Proxy).

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// A namespace joined to this one by a pair of interfaces. It goes when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    interface: String,
    /// This end's address.
    pub here: Ipv4Addr,
    /// The namespace's address.
    pub there: Ipv4Addr,
}

impl Namespace {
    /// A namespace whose line carries so many bits per second each way and holds at most so many milliseconds'
    /// worth in its queue. Each `number` is there once per machine.
    ///
    /// # Panics
    /// If the system lacks the means.
    pub fn new(number: u8, bits: u64, queue_ms: u32) -> Self {
        let made = Self {
            name: format!("aec{number}"),
            interface: format!("aec{number}h"),
            here: Ipv4Addr::new(10, 213, number, 1),
            there: Ipv4Addr::new(10, 213, number, 2),
        };
        made.join(bits, queue_ms)
            .expect("a network namespace takes root, ip, tc and the token bucket of the kernel");
        made
    }

    /// A program to be run inside.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Changes the rate of both directions.
    ///
    /// # Panics
    /// If the kernel refuses what it took before.
    pub fn set_rate(&self, bits: u64, queue_ms: u32) {
        self.shape(bits, queue_ms).expect("a rate");
    }

    fn join(&self, bits: u64, queue_ms: u32) -> Option<()> {
        let Self { name, interface, here, there } = self;
        let inner = format!("aec{}n", here.octets()[2]);
        run(&format!("ip netns add {name}"))?;
        run(&format!("ip link add {interface} type veth peer name {inner} netns {name}"))?;
        run(&format!("ip addr add {here}/30 dev {interface}"))?;
        run(&format!("ip link set {interface} up"))?;
        run(&format!("ip -n {name} addr add {there}/30 dev {inner}"))?;
        run(&format!("ip -n {name} link set {inner} up"))?;
        run(&format!("ip -n {name} link set lo up"))?;
        self.shape(bits, queue_ms)
    }

    fn shape(&self, bits: u64, queue_ms: u32) -> Option<()> {
        let Self { name, interface, here, .. } = self;
        // Two full packets at once, or a timer's tick at high rates: less would slow the line.
        let burst = (bits / 8 / 250).max(3200);
        let bucket = format!("root tbf rate {bits}bit burst {burst} latency {queue_ms}ms");
        let inner = format!("aec{}n", here.octets()[2]);
        run(&format!("tc qdisc replace dev {interface} {bucket}"))?;
        run(&format!("tc -n {name} qdisc replace dev {inner} {bucket}"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = run(&format!("ip link del {}", self.interface));
        let _ = run(&format!("ip netns del {}", self.name));
    }
}

/// Runs a command of words without spaces in them; `None` where it is missing or fails.
fn run(line: &str) -> Option<()> {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next()?);
    let status = command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    status.success().then_some(())
}
