//! Whose output it is that names no request, as C code's: the request's that began last of those that run.

use bytes::Bytes;
use parking_lot::Mutex;

use super::RequestId;

#[derive(Default)]
pub struct Speaking(Mutex<State>);

#[derive(Default)]
struct State {
    open: Vec<(RequestId, Bytes)>,
    last: Bytes,
}

impl Speaking {
    pub fn begin(&self, id: RequestId, header: &Bytes) {
        let mut state = self.0.lock();
        state.open.push((id, header.clone()));
        state.last = header.clone();
    }

    /// What such a request says from here on is the next one's; with none left it is still the last one's.
    pub fn end(&self, id: RequestId) {
        let mut state = self.0.lock();
        state.open.retain(|(open, _)| *open != id);
        if let Some((_, header)) = state.open.last() {
            state.last = header.clone();
        }
    }

    /// Whether any runs.
    pub fn is_open(&self) -> bool {
        !self.0.lock().open.is_empty()
    }

    /// The header of that request; empty before the first.
    pub fn parent(&self) -> Bytes {
        self.0.lock().last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Lane, SubshellId};

    #[test]
    fn output_belongs_to_what_began_last_and_still_runs() {
        let speaking = Speaking::default();
        let id = |lane| RequestId { lane, number: 1 };
        let (main, side) = (id(Lane::Shell), id(Lane::Subshell(SubshellId(1))));
        assert_eq!(speaking.parent(), "");
        assert!(!speaking.is_open());
        speaking.begin(main, &Bytes::from("main"));
        speaking.begin(side, &Bytes::from("side"));
        assert_eq!(speaking.parent(), "side");
        speaking.end(side);
        assert_eq!(speaking.parent(), "main");
        assert!(speaking.is_open());
        speaking.end(main);
        assert!(!speaking.is_open());
        assert_eq!(speaking.parent(), "main");
    }
}
