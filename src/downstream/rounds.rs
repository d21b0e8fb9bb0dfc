//! One request of a modern client under way, which may take several rounds.
//!
//! A question to the client ends the round: the request at hand is answered `input_required`, the
//! exchange is parked, and the work goes on waiting. The request that comes back with answers
//! opens the next round. What is said between rounds has nobody to hear it and is dropped; a
//! result waits for the next round.

use std::collections::VecDeque;
use std::future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Waker;

use bytestring::ByteString;
use indexmap::IndexMap;
use serde::Serialize;
use tokio::select;

use crate::downstream::call;
use crate::downstream::call::Ended;
use crate::downstream::call::Stream;
use crate::downstream::fit;
use crate::downstream::park;
use crate::downstream::park::Parking;
use crate::downstream::park::Resume;
use crate::downstream::park::Waiting;
use crate::downstream::question;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::ask::Ask;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Refusal;
use crate::exchange::queue;
use crate::router;
use crate::wire::Raw;
use crate::wire::method;

/// How many questions may wait for their round.
const WAITING_LIMIT: usize = 16;

/// What the rounds of one request have in common.
#[derive(Debug)]
pub(super) struct Rounds {
    /// Where it is parked between rounds.
    pub(super) parking: Arc<Parking>,
    /// What is asked for.
    pub(super) method: ByteString,
    /// The parameters of the first round.
    pub(super) params: Option<Raw>,
    /// Its way to the upstream and back.
    pub(super) exchange: Exchange,
}

/// Between which requests of the client the exchange is.
enum Place {
    /// A request of the client waits for its answer.
    Attached {
        stream: Stream,
        /// Whether it is one that came back with answers.
        is_retry: bool,
    },
    /// The client has to come back.
    Parked { waiting: Waiting, round: Round },
}

/// Questions, and those of their answers that are there.
struct Round {
    ask: Ask,
    answers: Vec<(String, Raw)>,
}

/// Returns whether a request of this kind may be answered `input_required`.
pub(super) fn may_ask(method: &str) -> bool {
    matches!(method, method::TOOLS_CALL | method::PROMPTS_GET | method::RESOURCES_READ)
}

impl Rounds {
    /// Carries out the request: `work` is what the router does about it.
    ///
    /// If the client cancels, or does not come back in time, the work is cancelled and has a
    /// moment to end.
    pub(super) async fn run(
        &self,
        first: Stream,
        mut way_back: queue::Receiver<Back>,
        work: impl Future<Output = Result<Raw, router::Error>>,
    ) {
        let mut work = pin!(call::caught(work));
        let mut ended = None;
        let mut asks = VecDeque::new();
        let mut place = Place::Attached { stream: first, is_retry: false };
        loop {
            place = match self.settle(place, &mut ended, &mut asks).await {
                Some(place) => place,
                None => return,
            };
            select! {
                biased;
                () = self.exchange.cancelled().cancelled() => {
                    let ended = match ended {
                        Some(ended) => ended,
                        None => call::wind_down(way_back, work).await,
                    };
                    return self.answer(place, ended).await;
                }
                Some(back) = way_back.recv() => self.hear(&place, &mut asks, back).await,
                outcome = &mut work, if ended.is_none() => {
                    way_back.close();
                    while let Some(back) = way_back.recv().await {
                        self.hear(&place, &mut asks, back).await;
                    }
                    ended = Some(outcome);
                }
                resume = place.resumed() => match resume {
                    Some(resume) => place = Box::pin(self.resume(place, resume)).await,
                    None => self.exchange.cancelled().cancel(),
                },
            }
        }
    }

    /// Does what can be done for the request at hand; returns nothing when all is done.
    async fn settle(
        &self,
        mut place: Place,
        ended: &mut Option<Ended>,
        asks: &mut VecDeque<Ask>,
    ) -> Option<Place> {
        while let Place::Attached { stream, is_retry } = place {
            if let Some(ended) = ended.take() {
                self.answer(Place::Attached { stream, is_retry }, ended).await;
                return None;
            }
            let Some(ask) = asks.pop_front() else {
                return Some(Place::Attached { stream, is_retry });
            };
            // Few requests ask anything, and all are moved with the room for it.
            let parking = self.park(stream, is_retry, Round { ask, answers: Vec::new() });
            place = Box::pin(parking).await;
        }
        Some(place)
    }

    async fn answer(&self, place: Place, ended: Ended) {
        let (stream, is_retry) = match place {
            Place::Attached { stream, is_retry } => (Some(stream), is_retry),
            Place::Parked { mut waiting, .. } => (waiting.late().map(|it| it.stream), true),
        };
        // Otherwise nobody is told: the client did not come back.
        let Some(stream) = stream else { return };
        let outcome = call::outcome(ended, &self.exchange, &self.method);
        // What depends on answers must not be kept for a request without them.
        let outcome = if is_retry { outcome.map(fit::uncacheable) } else { outcome };
        stream.answer(&outcome).await;
    }

    async fn hear(&self, place: &Place, asks: &mut VecDeque<Ask>, back: Back) {
        match (back, place) {
            (Back::Ask(ask), _) if !may_ask(&self.method) => ask.answer(Err(Refusal::Nobody)),
            (Back::Ask(ask), _) if asks.len() >= WAITING_LIMIT => ask.answer(Err(Refusal::TooMany)),
            (Back::Ask(ask), _) => asks.extend(question::fit(ask, self.exchange.capabilities())),
            (Back::Progress(params), Place::Attached { stream, .. }) => {
                stream.progress(&params).await;
            }
            (Back::Log(params), Place::Attached { stream, .. }) => stream.log(&params).await,
            (Back::Other(method, params), Place::Attached { stream, .. }) => {
                stream.other(&method, params.as_ref()).await;
            }
            (Back::Progress(_) | Back::Log(_) | Back::Other(..), Place::Parked { .. }) => {}
        }
    }

    /// Ends a round: asks the client for what is missing.
    async fn park(&self, stream: Stream, is_retry: bool, mut round: Round) -> Place {
        if is_withdrawn(&mut round.ask) {
            return Place::Attached { stream, is_retry };
        }
        let fingerprint = park::fingerprint(&self.method, self.params.as_ref());
        let caller = self.exchange.caller();
        let parked = self.parking.park(caller, &fingerprint, self.exchange.cancelled());
        let Some((state, waiting)) = parked else {
            round.ask.answer(Err(Refusal::TooMany));
            return Place::Attached { stream, is_retry };
        };
        stream.answer(&Ok(fit::signed(round.required(&state)))).await;
        Place::Parked { waiting, round }
    }

    /// Opens the next round with the answers that the client brought.
    async fn resume(&self, place: Place, resume: Resume) -> Place {
        let Place::Parked { mut round, .. } = place else {
            // Only a parked exchange can be resumed.
            return Place::Attached { stream: resume.stream, is_retry: true };
        };
        for (key, answer) in resume.responses {
            if round.missing().any(|(missing, _)| *missing == key) {
                round.answers.push((key, answer));
            }
        }
        if round.missing().next().is_some() {
            return self.park(resume.stream, true, round).await;
        }
        let Round { ask, answers } = round;
        ask.answer(Ok(answers.into_iter().map(|(key, answer)| (key, Ok(answer))).collect()));
        Place::Attached { stream: resume.stream, is_retry: true }
    }
}

impl Place {
    /// Waits until the client is back; nothing if it does not come in time. Cancel safe.
    async fn resumed(&mut self) -> Option<Resume> {
        match self {
            Self::Attached { .. } => future::pending().await,
            Self::Parked { waiting, .. } => waiting.resumed().await,
        }
    }
}

impl Round {
    fn missing(&self) -> impl Iterator<Item = &(String, InputRequest)> {
        let is_answered = |key: &str| self.answers.iter().any(|(answered, _)| answered == key);
        self.ask.requests.iter().filter(move |(key, _)| !is_answered(key))
    }

    /// The result that asks the client for what is missing.
    fn required(&self, state: &str) -> Raw {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Required<'a> {
            result_type: &'static str,
            input_requests: IndexMap<&'a str, Question>,
            request_state: &'a str,
        }
        #[derive(Serialize)]
        struct Question {
            method: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            params: Option<Raw>,
        }
        let question = |request: &InputRequest| Question {
            method: request.method(),
            params: request.params().cloned(),
        };
        let missing = self.missing().map(|(key, request)| (key.as_str(), question(request)));
        Raw::of(&Required {
            result_type: "input_required",
            input_requests: missing.collect(),
            request_state: state,
        })
    }
}

/// Returns whether nobody waits for the answer any more.
fn is_withdrawn(ask: &mut Ask) -> bool {
    let withdrawn = pin!(ask.withdrawn());
    withdrawn.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}
