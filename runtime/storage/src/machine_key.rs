//! The key that only this machine's gateway has: `machine.key` in the home, 32 random bytes.
//!
//! The compiler's cache authenticates its files under the same key, and whichever part needs it first makes it.
//! Invariant: the file is whole from the moment it has its name, whoever makes it at the same time, and only its owner
//! may read it. It is in no backup, and what is used is always a key derived from it for one purpose.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::files::{self, Unfinished};
use crate::{IoFailure, home};

const LENGTH: usize = 32;

/// The key of a machine. Wiped when dropped.
pub(crate) struct MachineKey(Zeroizing<[u8; LENGTH]>);

impl MachineKey {
    /// Reads the key of a home; `None` if there is none.
    pub(crate) fn read(home: &Path) -> Result<Option<Self>, IoFailure> {
        let path = home::machine_key(home);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(IoFailure::when("open", &path)(error)),
        };
        let mode = file.metadata().map_err(IoFailure::when("read", &path))?.permissions().mode();
        if mode & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))
                .map_err(IoFailure::when("close to other users the file", &path))?;
        }
        let mut key = Zeroizing::new([0; LENGTH]);
        let mut more = [0; 1];
        let read = file.read_exact(&mut key[..]).and_then(|()| file.read(&mut more));
        match read {
            Ok(0) => Ok(Some(Self(key))),
            Ok(_) => Err(wrong_length(&path)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(wrong_length(&path)),
            Err(error) => Err(IoFailure::when("read", &path)(error)),
        }
    }

    /// Reads the key of a home, making one if there is none. Of several who make one, all get the first's.
    pub(crate) fn read_or_make(home: &Path) -> Result<Self, IoFailure> {
        if let Some(key) = Self::read(home)? {
            return Ok(key);
        }
        let path = home::machine_key(home);
        let mut key = Zeroizing::new([0; LENGTH]);
        getrandom::fill(&mut key[..])
            .map_err(|error| IoFailure::when("make random bytes for", &path)(std::io::Error::other(error)))?;
        let draft = Unfinished::beside(&path)?;
        draft.write(&key[..])?;
        // A link, not a rename: a rename would take the place of a key that something was sealed under meanwhile.
        match fs::hard_link(draft.path(), &path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(IoFailure::when("create", &path)(error)),
        }
        files::sync_folder(home)?;
        Self::read(home)?.ok_or_else(|| IoFailure::when("read", &path)(ErrorKind::NotFound.into()))
    }

    /// A key for one purpose, which tells nothing about this one or about those for other purposes.
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; LENGTH]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0[..]).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

fn wrong_length(path: &Path) -> IoFailure {
    IoFailure::when("use", path)(std::io::Error::other(
        "it is not 32 bytes long: put the right one back, or remove it and set every sealed secret again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_who_make_the_key_at_once_all_get_the_same() {
        let home = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| MachineKey::read_or_make(home.path()).unwrap().derive("test"))).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["machine.key"], "no draft stays behind");
        assert_eq!(fs::metadata(home.path().join("machine.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_one_open_to_others_is_closed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("machine.key");
        assert!(MachineKey::read(home.path()).unwrap().is_none());
        for length in [0, 31, 33] {
            fs::write(&path, vec![7; length]).unwrap();
            assert!(MachineKey::read_or_make(home.path()).is_err(), "{length}");
        }
        fs::write(&path, [7; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let key = MachineKey::read_or_make(home.path()).unwrap();
        assert_ne!(key.derive("one"), key.derive("two"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
