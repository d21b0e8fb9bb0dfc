//! How often an answer that broke off is taken up again.

use crate::upstream::error::Error;

/// How often in a row that is tried before the answer counts as lost.
const TRIES: u32 = 5;
/// How often in a row nothing may answer at all: a server that was started anew answers by then,
/// and one that is gone need not be waited for.
const ABSENCES: u32 = 2;

/// How often an answer was taken up in vain since it last went on.
#[derive(Debug, Default)]
pub(super) struct Resumes {
    tries: u32,
    absences: u32,
}

impl Resumes {
    /// Notes that the answer goes on.
    pub(super) fn went_on(&mut self) {
        *self = Self::default();
    }

    /// Begins another try, if there is one left.
    pub(super) fn again(&mut self) -> bool {
        self.tries += 1;
        self.tries <= TRIES && self.absences < ABSENCES
    }

    /// Notes why a try came to nothing.
    pub(super) fn failed(&mut self, error: &Error) {
        self.absences = if error.kind.is_out_of_reach() { self.absences + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secrets::Secrets;
    use crate::ids::UpstreamId;
    use crate::upstream::error::Executed;
    use crate::upstream::error::Kind;
    use crate::upstream::errors::Errors;

    /// Returns how often an answer is taken up that fails like this each time.
    fn tries(kinds: impl Iterator<Item = Kind>) -> usize {
        let mut resumes = Resumes::default();
        let errors = Errors::new(UpstreamId::new("far"), Secrets::default());
        let each = |kind: &Kind| {
            let again = resumes.again();
            resumes.failed(&errors.error(*kind, "", Executed::No));
            again
        };
        kinds.take_while(each).count()
    }

    #[test]
    fn a_server_that_is_gone_is_given_up_sooner_than_one_in_trouble() {
        let (gone, trouble) = (Kind::Unreachable, Kind::Status(503));
        assert_eq!(tries(std::iter::repeat(trouble)), 5);
        assert_eq!(tries(std::iter::repeat(gone)), 2);
        assert_eq!(tries([gone, trouble].into_iter().cycle()), 5);
    }

    #[test]
    fn an_answer_that_goes_on_is_worth_as_many_tries_again() {
        let mut resumes = Resumes::default();
        assert_eq!((0..9).filter(|_| resumes.again()).count(), 5);
        resumes.went_on();
        assert_eq!((0..9).filter(|_| resumes.again()).count(), 5);
    }
}
