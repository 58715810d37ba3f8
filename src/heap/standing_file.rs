//! A file that stays open between reads. The program that we are a guest of may close every descriptor it finds, and open
//! others under the same numbers: each read makes sure that ours is still there.

use std::fs::{File, Metadata, OpenOptions};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Device and inode.
type Identity = (u64, u64);

pub struct StandingFile {
    path: &'static str,
    written: bool,
    open: Option<(File, Identity)>,
}

impl StandingFile {
    pub const fn new(path: &'static str) -> Self {
        Self {
            path,
            written: false,
            open: None,
        }
    }

    /// One that is only written.
    pub const fn to_write(path: &'static str) -> Self {
        Self {
            path,
            written: true,
            open: None,
        }
    }

    /// Reads from an offset on: how many bytes there were. None where the file cannot be read.
    pub fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Option<usize> {
        self.file()?.0.read_at(buffer, offset).ok()
    }

    /// Writes at the start. False where the file cannot be written.
    pub fn write(&mut self, text: &[u8]) -> bool {
        (self.file()).is_some_and(|(file, _)| file.write_all_at(text, 0).is_ok())
    }

    /// What the system says of it.
    pub fn metadata(&mut self) -> Option<Metadata> {
        Some(self.file()?.1)
    }

    /// Closes it, until it is used again.
    pub fn close(&mut self) {
        drop(self.take());
    }

    /// The open file, if it is ours still.
    fn take(&mut self) -> Option<(File, Metadata)> {
        let (file, identity) = self.open.take()?;
        if let Ok(metadata) = file.metadata()
            && identity_of(&metadata) == identity
        {
            return Some((file, metadata));
        }
        // The number is another's by now, or nobody's: not for us to close.
        let _ = file.into_raw_fd();
        None
    }

    fn file(&mut self) -> Option<(&File, Metadata)> {
        if let Some((file, metadata)) = self.take() {
            let identity = identity_of(&metadata);
            return Some((&self.open.insert((file, identity)).0, metadata));
        }
        let mut options = OpenOptions::new();
        let options = options.read(!self.written).write(self.written);
        let file = options.open(self.path).ok()?;
        let metadata = file.metadata().ok()?;
        let open = self.open.insert((file, identity_of(&metadata)));
        Some((&open.0, metadata))
    }
}

fn identity_of(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_number_that_is_anothers_by_now_is_left_alone() {
        let mut standing = StandingFile::new("/proc/self/statm");
        let mut first = [0; 4];
        assert_eq!(standing.read_at(&mut first, 0), Some(4));
        let number = standing.open.as_ref().unwrap().0.as_raw_fd();
        let other = File::open("/proc/self/comm").unwrap();
        // SAFETY: the number is the standing file's, which must bear that.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
        let mut again = [0; 4];
        assert_eq!(standing.read_at(&mut again, 0), Some(4));
        assert!(again[0].is_ascii_digit(), "{again:?}");
        // SAFETY: the number is the test's own now.
        assert_eq!(unsafe { libc::close(number) }, 0);
        assert_eq!(standing.read_at(&mut again, 0), Some(4));
    }
}
