//! Who may see the page.

use std::net::{IpAddr, SocketAddr};

use data_encoding::BASE32_NOPAD;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Bytes of a token.
const TOKEN: usize = 16;

/// Who may see the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Programs on this host. Requests that name another host are refused, so that a foreign page cannot read this one
    /// through a name that it makes resolve to this host.
    Loopback,
    /// Whoever knows this token, which is the first part of every path.
    Token(String),
}

impl Access {
    /// The access to a page at this address: a new token, unless only this host reaches the address.
    ///
    /// # Errors
    /// Returns an error if the system has no random numbers.
    pub fn of(address: SocketAddr) -> std::io::Result<Self> {
        if address.ip().is_loopback() {
            return Ok(Self::Loopback);
        }
        let mut token = [0; TOKEN];
        let filled = SystemRandom::new().fill(&mut token);
        filled.map_err(|_| std::io::Error::other("the system has no random numbers for a token"))?;
        Ok(Self::Token(BASE32_NOPAD.encode(&token).to_lowercase()))
    }

    /// The path of the page.
    pub fn root(&self) -> String {
        match self {
            Self::Loopback => "/".into(),
            Self::Token(token) => format!("/{token}/"),
        }
    }

    /// The rest of the path of a request, if it is allowed. `host` is the host that the request names.
    pub(crate) fn allowed<'a>(&self, path: &'a str, host: Option<&str>) -> Option<&'a str> {
        let path = path.strip_prefix('/')?;
        match self {
            Self::Loopback => is_own(host?).then_some(path),
            Self::Token(token) => {
                let (given, rest) = path.split_once('/')?;
                let equal = given.len() == token.len()
                    && given.bytes().zip(token.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0;
                equal.then_some(rest)
            }
        }
    }
}

/// Whether `host`, which may have a port, is an address or `localhost`.
fn is_own(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_needs_no_token() {
        for address in ["127.0.0.1:80", "[::1]:80"] {
            assert_eq!(Access::of(address.parse().expect("an address")).expect("access"), Access::Loopback);
        }
        for address in ["0.0.0.0:80", "192.168.0.7:80", "[::]:80"] {
            let [a, b] = [(); 2].map(|()| Access::of(address.parse().expect("an address")).expect("access"));
            assert_ne!(a, b);
            assert!(a.root().len() > 20, "{a:?}");
        }
    }

    #[test]
    fn a_token_is_compared_as_a_whole() {
        let access = Access::Token("secret".into());
        assert_eq!(access.allowed("/secret/", None), Some(""));
        assert_eq!(access.allowed("/secret/aec/1", None), Some("aec/1"));
        for path in ["", "/", "/secret", "/secre/", "/secrett/", "/Secret/", "//secret/", "secret/"] {
            assert_eq!(access.allowed(path, Some("127.0.0.1")), None, "{path}");
        }
    }

    #[test]
    fn names_of_other_hosts_are_refused_on_loopback() {
        for host in ["localhost", "localhost:80", "127.0.0.1:4744", "127.0.0.1", "[::1]:80", "[::1]"] {
            assert_eq!(Access::Loopback.allowed("/events", Some(host)), Some("events"), "{host}");
        }
        for host in [
            "example.org",
            "example.org:80",
            "127.0.0.1.example.org",
            "localhost.example.org:80",
            "",
            "192.168.0.7",
        ] {
            assert_eq!(Access::Loopback.allowed("/events", Some(host)), None, "{host}");
        }
        assert_eq!(Access::Loopback.allowed("/", None), None);
    }
}
