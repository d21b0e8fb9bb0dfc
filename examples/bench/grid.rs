//! What is tried: the points at which every subject is measured.
//!
//! Not every combination of everything: in-flight calls and payloads vary with one upstream, the
//! number of upstreams with small calls. Eras vary where there is one upstream.

use crate::load::request::Era;
use crate::stage::Route;
use crate::stage::Stage;

const KIB: usize = 1024;
/// The text of a small call.
const SMALL: usize = 100;

/// Points that share their processes, in the order in which they are measured.
pub(crate) struct Group {
    pub(crate) stage: Stage,
    pub(crate) points: Vec<Point>,
}

/// So many calls under way with so many bytes each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) in_flight: usize,
    pub(crate) payload: usize,
}

impl Group {
    pub(crate) fn name(&self, point: Point) -> String {
        let Stage { route, era, upstreams } = &self.stage;
        let Point { in_flight, payload } = point;
        let (route, era, count) = (route.name(), era.name(), upstreams.len());
        format!("{route}/{era}/upstreams={count}/payload={payload}/in-flight={in_flight}")
    }

    /// The same with only those points whose name has `pattern` in it, if any has.
    pub(crate) fn only(mut self, pattern: &str) -> Option<Self> {
        let mut points = std::mem::take(&mut self.points);
        points.retain(|point| self.name(*point).contains(pattern));
        (!points.is_empty()).then_some(Self { points, ..self })
    }
}

/// Everything, or enough to see that everything works.
pub(crate) fn groups(is_quick: bool) -> Vec<Group> {
    let (payloads, counts): (&[usize], &[usize]) = if is_quick {
        (&[256 * KIB], &[20])
    } else {
        (&[4 * KIB, 64 * KIB, 256 * KIB, KIB * KIB], &[20, 200])
    };
    let in_flight: &[usize] = if is_quick { &[1, 16] } else { &[1, 16, 64] };
    let small = |in_flight: &usize| Point { in_flight: *in_flight, payload: SMALL };
    let mut groups = Vec::new();
    for route in Route::ALL {
        for era in Era::ALL {
            let mut points: Vec<_> = in_flight.iter().map(small).collect();
            points
                .extend(payloads.iter().map(|payload| Point { in_flight: 16, payload: *payload }));
            groups.push(Group { stage: Stage::even(route, era, 1), points });
        }
        for count in counts {
            let points = [1, 16].iter().map(small).collect();
            groups.push(Group { stage: Stage::even(route, Era::Legacy, *count), points });
        }
    }
    groups
}
