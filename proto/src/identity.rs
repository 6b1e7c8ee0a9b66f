//! An Ed25519 key pair, and the file that keeps it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::{Error, PublicKey, Result};

/// Bytes of a secret.
pub const SEED: usize = 32;

/// A key pair: who this end is. An invitation is one too.
#[derive(Clone)]
pub struct Identity {
    seed: [u8; SEED],
    public: PublicKey,
}

impl Identity {
    /// A new key pair from the system's random numbers.
    ///
    /// # Errors
    /// Returns an error if the system has no random numbers.
    pub fn generate() -> Result<Self> {
        let mut seed = [0; SEED];
        SystemRandom::new().fill(&mut seed).map_err(|_| Error::Crypto("no random numbers".into()))?;
        Ok(Self::from_seed(seed))
    }

    /// The key pair of a secret.
    pub fn from_seed(seed: [u8; SEED]) -> Self {
        let pair = pair(&seed);
        let public = pair.public_key().as_ref().try_into().expect("an Ed25519 key has 32 bytes");
        Self { seed, public: PublicKey(public) }
    }

    /// The secret. It belongs in key files and tickets, never in logs.
    pub fn seed(&self) -> &[u8; SEED] {
        &self.seed
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        pair(&self.seed).sign(message).as_ref().to_vec()
    }

    /// Reads the key file, or makes one that only its owner can read. Two processes that start at the same time get
    /// the same key. Blocks on the disk.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or made, contains no key, or can be read by others.
    pub fn load_or_create(path: &Path) -> Result<Self> {
        match Self::load(path) {
            Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        let identity = Self::generate()?;
        let draft = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = write_private(&draft, &identity).and_then(|()| fs::hard_link(&draft, path));
        let _ = fs::remove_file(&draft);
        match written {
            Ok(()) => Ok(identity),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::load(path),
            Err(error) => Err(file(path, error)),
        }
    }

    fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| file(path, error))?;
        let wrong = |detail| Error::KeyFile { path: path.display().to_string(), detail };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(path).map_err(|error| file(path, error))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(wrong("others can read it; run chmod 600 on it"));
            }
        }
        let seed = HEXLOWER.decode(text.trim().as_bytes()).ok().and_then(|seed| seed.try_into().ok());
        seed.map(Self::from_seed).ok_or_else(|| wrong("expected 64 hexadecimal digits"))
    }
}

// The secret stays out of logs.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public.short())
    }
}

impl PublicKey {
    /// Whether the signature over the message is this key's.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

fn pair(seed: &[u8; SEED]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are an Ed25519 secret")
}

fn write_private(path: &Path, identity: &Identity) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{}", HEXLOWER.encode(&identity.seed))?;
    file.sync_all()
}

fn file(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = Identity::load_or_create(&path).unwrap();
        assert_eq!(Identity::load_or_create(&path).unwrap().public(), first.public());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        assert!(!format!("{first:?}").contains(&HEXLOWER.encode(first.seed())));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(Identity::load_or_create(&path).unwrap_err().to_string().contains("chmod 600"));
        }
    }

    #[test]
    fn a_damaged_key_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        Identity::load_or_create(&path).unwrap();
        fs::write(&path, "0123").unwrap();
        assert!(matches!(Identity::load_or_create(&path), Err(Error::KeyFile { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"0123");
    }

    #[test]
    fn only_the_right_key_and_message_verify() {
        let (a, b) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let signature = a.sign(b"message");
        assert!(a.public().verifies(b"message", &signature));
        assert!(!b.public().verifies(b"message", &signature));
        assert!(!a.public().verifies(b"massage", &signature));
    }
}
