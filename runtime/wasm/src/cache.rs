//! Compiled components on disk, each authenticated under a key only this machine's gateway has.
//!
//! A file is `HMAC-SHA256(machine key, digest ‖ compatibility ‖ artifact) ‖ artifact`. Its name carries digest and
//! compatibility, so a new wasmtime or a changed setting looks elsewhere instead of loading old code.
//! Invariant: bytes are checked in the buffer they are loaded from, never by path; a file that does not check is
//! reported and compiled anew. The key does not protect against a compiler that was subverted, nor against a process
//! of the same user that can read it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use openclaw_domain::Digest;
use sha2::Sha256;

/// Length of the tag in front of an artifact.
const TAG: usize = 32;

/// The cache folder and its key.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    compatibility: [u8; 32],
}

/// Compiled code whose origin is known. There is no other way to make one than the two in this module.
pub(crate) struct Authentic {
    digest: Digest,
    file: Vec<u8>,
    start: usize,
}

impl Authentic {
    /// What the compiling child handed over its pipe, before it is ever written down.
    pub(crate) const fn from_compiler(digest: Digest, artifact: Vec<u8>) -> Self {
        Self { digest, file: artifact, start: 0 }
    }

    pub(crate) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.file[self.start..]
    }
}

/// What was found under a digest.
pub(crate) enum Lookup {
    /// Code this gateway compiled.
    Found(Authentic),
    /// Nothing.
    Absent,
    /// A file that this gateway did not write, or that changed since.
    Tampered,
}

impl Cache {
    /// Opens the cache of a home, making folder and key on first use.
    ///
    /// The folder is `cache/` (mode 0700), the key `machine.key` (32 random bytes, mode 0600).
    pub(crate) fn open(home: &Path, compatibility: [u8; 32]) -> io::Result<Self> {
        let folder = home.join("cache");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let key = machine_key(&home.join("machine.key"))?;
        Ok(Self { folder, key, compatibility })
    }

    /// A key for another purpose, which tells nothing about the machine key.
    pub(crate) fn derive_key(&self, purpose: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{}-{}.cwasm", digest.to_hex(), hex::encode(&self.compatibility[..8])))
    }

    fn tag(&self, digest: Digest, artifact: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(digest.as_bytes());
        mac.update(&self.compatibility);
        mac.update(artifact);
        mac
    }

    /// Reads and checks what is kept for a component.
    pub(crate) fn lookup(&self, digest: Digest) -> io::Result<Lookup> {
        let file = match fs::read(self.path(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lookup::Absent),
            Err(error) => return Err(error),
        };
        let Some((tag, artifact)) = file.split_at_checked(TAG) else { return Ok(Lookup::Tampered) };
        if self.tag(digest, artifact).verify_slice(tag).is_err() {
            return Ok(Lookup::Tampered);
        }
        Ok(Lookup::Found(Authentic { digest, file, start: TAG }))
    }

    /// Keeps compiled code. A crash half-way leaves the old file or none.
    pub(crate) fn keep(&self, artifact: &Authentic) -> io::Result<()> {
        let path = self.path(artifact.digest);
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        let write = || {
            // A draft of a gateway that died is not ours to trust or to keep.
            drop(fs::remove_file(&draft));
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(&self.tag(artifact.digest, artifact.bytes()).finalize().into_bytes())?;
            file.write_all(artifact.bytes())?;
            fs::rename(&draft, &path)
        };
        write().inspect_err(|_| drop(fs::remove_file(&draft)))
    }

    /// Whether something is kept for a component, true or not.
    pub(crate) fn contains(&self, digest: Digest) -> bool {
        self.path(digest).exists()
    }

    /// Forgets a component.
    pub(crate) fn forget(&self, digest: Digest) {
        drop(fs::remove_file(self.path(digest)));
    }
}

/// Reads the machine key, or makes one that no other process ever sees half-written.
fn machine_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    match fs::read(path) {
        Ok(bytes) => {
            key = bytes.try_into().map_err(|_| {
                io::Error::other(format!(
                    "{} is not 32 bytes long; remove it and the gateway makes a new one (and compiles anew)",
                    path.display()
                ))
            })?;
            return Ok(key);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    drop(fs::remove_file(&draft));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&key)?;
    file.sync_all()?;
    // Whoever links first wins: two gateways that start at once end up with one key.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => machine_key(path),
        Err(error) => Err(error),
        Ok(()) => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = Digest::from_bytes([1; 32]);

    fn kept(home: &Path) -> Cache {
        let cache = Cache::open(home, [9; 32]).unwrap();
        cache.keep(&Authentic::from_compiler(DIGEST, b"code".to_vec())).unwrap();
        cache
    }

    fn is_found(cache: &Cache, digest: Digest) -> bool {
        matches!(cache.lookup(digest).unwrap(), Lookup::Found(found) if found.bytes() == b"code")
    }

    #[test]
    fn what_was_kept_is_found_again_also_after_a_restart() {
        let home = tempfile::tempdir().unwrap();
        kept(home.path());
        assert!(is_found(&Cache::open(home.path(), [9; 32]).unwrap(), DIGEST));
    }

    #[test]
    fn any_flipped_byte_is_tampering() {
        let home = tempfile::tempdir().unwrap();
        let cache = kept(home.path());
        let path = cache.path(DIGEST);
        let good = fs::read(&path).unwrap();
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(matches!(cache.lookup(DIGEST).unwrap(), Lookup::Tampered), "byte {position}");
        }
        fs::write(&path, b"short").unwrap();
        assert!(matches!(cache.lookup(DIGEST).unwrap(), Lookup::Tampered));
        fs::write(&path, &good).unwrap();
        assert!(is_found(&cache, DIGEST), "the positive control");
    }

    #[test]
    fn a_file_of_another_machine_or_another_component_is_tampering() {
        let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (cache, foreign) = (kept(home.path()), kept(other.path()));
        fs::copy(foreign.path(DIGEST), cache.path(DIGEST)).unwrap();
        assert!(matches!(cache.lookup(DIGEST).unwrap(), Lookup::Tampered));
        let cache = kept(home.path());
        let second = Digest::from_bytes([2; 32]);
        fs::copy(cache.path(DIGEST), cache.path(second)).unwrap();
        assert!(matches!(cache.lookup(second).unwrap(), Lookup::Tampered));
    }

    #[test]
    fn another_engine_looks_elsewhere() {
        let home = tempfile::tempdir().unwrap();
        kept(home.path());
        let newer = Cache::open(home.path(), [8; 32]).unwrap();
        assert!(matches!(newer.lookup(DIGEST).unwrap(), Lookup::Absent));
    }

    #[test]
    fn folder_and_key_are_the_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let cache = kept(home.path());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&cache.folder), 0o700);
        assert_eq!(mode(&cache.path(DIGEST)), 0o600);
        assert_eq!(mode(&home.path().join("machine.key")), 0o600);
    }
}
