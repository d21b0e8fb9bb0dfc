//! Sixteen clients in front of two servers over stdio: how many processes there are.

use crate::client::Client;
use crate::client::Link;
use crate::load::request::Era;
use crate::process;
use crate::run::Run;
use crate::scenario;
use crate::stage::Place;
use crate::stage::Route;
use crate::stage::Stage;
use crate::subject::PROMPT;
use crate::subject::Subject;

const CLIENTS: usize = 16;

pub(super) fn run(run: &mut Run) -> anyhow::Result<()> {
    for (number, subject) in scenario::gateways(run).into_iter().enumerate() {
        for count in [2, 1] {
            let stage = Stage::even(Route::HttpStdio, Era::Legacy, count);
            let mark = format!("clients-{}-{number}-{count}", std::process::id());
            let stage = stage.all_with(&["--mark", &mark]);
            // With one server only those that cannot stand before two.
            let can_two = subject.can(&Stage::even(Route::HttpStdio, Era::Legacy, 2));
            if !subject.can(&stage) || (count == 1 && can_two) {
                continue;
            }
            let place = stage.stand(&run.place())?;
            if let Err(why) = measure(run, &subject, &place, &mark) {
                run.failed(&subject, "sixteen clients", why)?;
            }
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a handful of processes")]
fn measure(run: &mut Run, subject: &Subject, place: &Place, mark: &str) -> anyhow::Result<()> {
    let launched = subject.ready(place)?;
    let Link::Http(target, _) = &launched.client.link else {
        anyhow::bail!("this is about HTTP");
    };
    let mut clients = Vec::new();
    for _ in 1..CLIENTS {
        let mut client = Client::at(target.address, &target.path, Era::Legacy);
        client.open(PROMPT)?;
        client.call_each(&launched.tools)?;
        clients.push(client);
    }
    let what = format!("processes of {} upstreams for 16 clients", place.backends.len());
    run.fact("share", &subject.name, &what, (process::count(mark) as f64, ""));
    drop(clients);
    Ok(())
}
