//! What is used of budgets outlives a run, and is shared with other gateways of the same user: one
//! task writes it down after the fact, and learns what the others used. No request waits for that.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::config::quota::Budget;
use crate::disk::wait;
use crate::quota::Now;
use crate::quota::Quotas;
use crate::quota::counter;
use crate::quota::counter::Counter;
use crate::quota::counter::Spent;
use crate::quota::rule::Rule;
use crate::quota::sheet;
use crate::quota::sheet::Line;
use crate::quota::sheet::News;
use crate::quota::sheet::Of;
use crate::quota::sheet::Sheet;

/// How long is collected what is written down; the end of everything does not wait.
const COLLECTED: Duration = Duration::from_secs(2);
/// How long to wait if somebody else writes for longer than that takes, or if the disk fails.
const POSTPONED: Duration = Duration::from_secs(30);
/// How long the disk may take while nobody waits for it.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long the start waits for what is written down.
const READ_LIMIT: Duration = Duration::from_secs(1);

impl Quotas {
    /// Takes over what is written down below the directory `state`. If the disk is slow or fails,
    /// that is left to [`Self::keep`].
    pub async fn recall(&self, state: &Path) {
        if self.last_long() {
            // Whoever keeps it says what is wrong.
            drop(time::timeout(READ_LIMIT, self.sync(state)).await);
        }
    }

    /// Writes down what is used, until `stop`; what is used by then is written, too.
    pub async fn keep(self, state: PathBuf, stop: CancellationToken) {
        let mut pause = COLLECTED;
        let mut has_failed = false;
        loop {
            tokio::select! {
                () = self.0.noted.notified() => {}
                () = stop.cancelled() => {}
            }
            tokio::select! {
                () = time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            let is_over = stop.is_cancelled();
            pause = COLLECTED;
            if self.last_long()
                && let Err(error) = self.sync(&state).await
            {
                if !wait::is_busy(&error) && !has_failed {
                    has_failed = true;
                    let path = state.display();
                    tracing::warn!(
                        %path, %error, "what is used of budgets cannot be written down there"
                    );
                }
                pause = POSTPONED;
                self.0.noted.notify_one();
            }
            if is_over {
                break;
            }
        }
    }

    /// Writes down what was used, and learns what others used.
    async fn sync(&self, state: &Path) -> io::Result<()> {
        let now = Now::read();
        let news = self.news(now);
        let (state, used) = (state.to_owned(), news.clone());
        // If it takes too long and is written all the same, it is counted twice: rather too much.
        let record = move || sheet::record(&state, &used, now);
        let sheet = wait::in_turn(WRITE_LIMIT, record).await?;
        self.learn(&sheet, &news, now);
        Ok(())
    }

    /// Returns whether there is anything that outlives a run.
    fn last_long(&self) -> bool {
        self.0.rules.load().iter().any(|rule| rule.quota.lasts())
    }

    /// Returns what was used and is not written down.
    pub(super) fn news(&self, now: Now) -> News {
        let rules = self.0.rules.load();
        let table = self.table();
        let mut news = News::new();
        for rule in rules.iter() {
            for (of, budget) in lasting(rule) {
                for (key, counter) in table.of(rule) {
                    let spent = of_counter(counter, of).at(budget, of.into(), now);
                    if spent.unwritten > 0 {
                        let (limit, key) = (rule.identity.clone(), key.to_string());
                        news.insert(Line { limit, of, key }, (budget, spent.unwritten));
                    }
                }
            }
        }
        news
    }

    /// Takes over what everybody used, of which `news` is what was written down just now.
    pub(super) fn learn(&self, sheet: &Sheet, news: &News, now: Now) {
        let rules = self.0.rules.load();
        let mut table = self.table();
        for (line, written) in sheet.lines() {
            let Some(rule) = rules.iter().find(|rule| rule.identity == line.limit) else {
                continue;
            };
            let budget = lasting(rule).find(|(of, _)| *of == line.of);
            let Some((of, budget)) = budget else { continue };
            let written = written.at(budget, of.into(), now);
            let told = news.get(line).map_or(0, |(_, told)| *told);
            if written.used == 0 && told == 0 {
                continue;
            }
            table.change(rule, &line.key, |counter| {
                let spent = match of {
                    Of::Calls => &mut counter.calls,
                    Of::Bytes => &mut counter.bytes,
                };
                let before = spent.at(budget, of.into(), now);
                // Another one has begun meanwhile, of which nothing of this is.
                if before.window > counter::window(budget, now) {
                    return;
                }
                let unwritten = before.unwritten.saturating_sub(told);
                let used = written.used.saturating_add(unwritten);
                *spent = Spent { used, unwritten, ..before };
            });
        }
    }
}

/// Returns the budgets of a limit that outlive a run.
fn lasting(rule: &Rule) -> impl Iterator<Item = (Of, Budget)> {
    let all = [(Of::Calls, rule.quota.calls), (Of::Bytes, rule.quota.bytes)];
    let known = all.into_iter().filter_map(|(of, budget)| Some((of, budget?)));
    known.filter(|(_, budget)| budget.lasts())
}

fn of_counter(counter: &Counter, of: Of) -> Spent {
    match of {
        Of::Calls => counter.calls,
        Of::Bytes => counter.bytes,
    }
}
