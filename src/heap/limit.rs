//! The limit on live bytes: which one holds, and when to say that it was passed. Stops nobody: `hooks` does.
//!
//! The tide compares with `most` where it compares with its mark anyway. There may be several limits at once: the
//! notebook's, and one for each call that is limited; the lowest holds.

use super::sites::SiteId;

/// After the alarm was answered so many bytes may come above the limit before it is raised again: who was told may have
/// to tidy up first, and who may not be stopped now is not asked about at every block.
pub const PATIENCE: u64 = 64 << 10;
/// What a block counts for besides its bytes: many small ones take time too.
const EACH: u64 = 64;

/// A call that is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallId(pub u32);

#[derive(Debug)]
pub struct Limit {
    /// Live bytes may go up to here; `u64::MAX` where nothing is limited.
    pub most: u64,
    /// The whole notebook's.
    notebook: Option<u64>,
    /// Of calls that run: live bytes may go up to here.
    calls: Vec<(CallId, u64)>,
    last_call: CallId,
    patience: u64,
    /// The site whose block the alarm was raised for.
    pub(super) last: SiteId,
    /// Told of every block above the limit once patience is at its end; says whether that is news. In a turn at the
    /// books, from any thread.
    pub alarm: fn() -> bool,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            most: u64::MAX,
            notebook: None,
            calls: Vec::new(),
            last_call: CallId::default(),
            patience: 0,
            last: SiteId::default(),
            alarm: || false,
        }
    }
}

impl Limit {
    /// A block of `size` bytes that the site asked for took live memory, or left it, above the limit.
    pub(super) fn passed(&mut self, size: u64, site: SiteId) {
        self.patience = self.patience.saturating_sub(size.saturating_add(EACH));
        if self.patience == 0 && (self.alarm)() {
            self.last = site;
        }
    }

    /// The alarm was answered.
    pub fn bear(&mut self) {
        self.patience = PATIENCE;
    }

    pub fn notebook(&self) -> Option<u64> {
        self.notebook
    }

    pub fn set_notebook(&mut self, limit: Option<u64>) {
        self.notebook = limit;
        self.settle();
    }

    /// A call begins during which live memory may go up to `most`.
    pub fn begin_call(&mut self, most: u64) -> CallId {
        self.last_call.0 += 1;
        self.calls.push((self.last_call, most));
        self.settle();
        self.last_call
    }

    pub fn end_call(&mut self, id: CallId) {
        self.calls.retain(|(call, _)| *call != id);
        self.settle();
    }

    /// Whose limit holds: a call's, the innermost of those with the same limit; none for the notebook's.
    pub fn call(&self) -> Option<CallId> {
        let holds = |(_, most): &&(CallId, u64)| *most == self.most;
        self.calls.iter().rev().find(holds).map(|(id, _)| *id)
    }

    fn settle(&mut self) {
        let calls = self.calls.iter().map(|(_, most)| *most);
        self.most = calls.chain(self.notebook).min().unwrap_or(u64::MAX);
        self.patience = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::tide::Tide;
    use super::*;

    thread_local! {
        static ALARMS: Cell<u64> = const { Cell::new(0) };
    }

    const SITE: SiteId = SiteId(99);

    fn tide() -> Tide {
        ALARMS.set(0);
        let mut tide = Tide::default();
        tide.change_limit(|limit| {
            limit.alarm = || {
                ALARMS.set(ALARMS.get() + 1);
                true
            };
        });
        tide
    }

    fn sink(tide: &mut Tide, size: u64) {
        tide.leave_mark();
        tide.fall(size);
    }

    #[test]
    fn the_alarm_is_raised_above_the_limit_and_not_at_it() {
        let mut tide = tide();
        tide.change_limit(|limit| limit.set_notebook(Some(1000)));
        tide.rise(1000, SITE);
        assert_eq!((ALARMS.get(), tide.highest), (0, 1000));
        tide.rise(1, SITE);
        assert_eq!((ALARMS.get(), tide.highest), (1, 1001));
    }

    #[test]
    fn it_is_raised_again_below_an_earlier_mark() {
        let mut tide = tide();
        tide.rise(5000, SITE);
        sink(&mut tide, 5000);
        tide.change_limit(|limit| limit.set_notebook(Some(1000)));
        tide.rise(1001, SITE);
        assert_eq!((ALARMS.get(), tide.highest), (1, 5000));
        sink(&mut tide, 500);
        tide.rise(499, SITE);
        assert_eq!(ALARMS.get(), 1);
        tide.rise(1, SITE);
        assert_eq!(ALARMS.get(), 2);
    }

    #[test]
    fn who_was_answered_waits_for_some_bytes() {
        let mut tide = tide();
        tide.change_limit(|limit| limit.set_notebook(Some(0)));
        tide.limit.bear();
        tide.rise(PATIENCE - 2 * EACH - 1, SITE);
        assert_eq!(ALARMS.get(), 0);
        tide.rise(1, SITE);
        assert_eq!(ALARMS.get(), 1);
    }

    #[test]
    fn the_lowest_limit_holds_while_its_call_runs() {
        let mut limit = Limit::default();
        assert_eq!((limit.most, limit.call()), (u64::MAX, None));
        limit.set_notebook(Some(100));
        let (outer, inner) = (limit.begin_call(50), limit.begin_call(70));
        assert_eq!((limit.most, limit.call()), (50, Some(outer)));
        limit.end_call(outer);
        assert_eq!((limit.most, limit.call()), (70, Some(inner)));
        limit.end_call(inner);
        assert_eq!((limit.most, limit.call()), (100, None));
    }

    #[test]
    fn a_mark_below_the_limit_is_kept_as_without() {
        let mut tide = tide();
        tide.change_limit(|limit| limit.set_notebook(Some(1000)));
        for size in [300, 200, 400] {
            tide.rise(size, SITE);
            assert_eq!(tide.highest, tide.live);
        }
        sink(&mut tide, 600);
        tide.rise(100, SITE);
        assert_eq!((tide.live, tide.highest), (400, 900));
        tide.restart();
        tide.rise(10, SITE);
        assert_eq!((tide.highest, ALARMS.get()), (410, 0));
    }
}
