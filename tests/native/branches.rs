//! The choice of branches: by default, failed runs of other branches and of merge or pull requests trigger nothing.

use pagerelay::config::{Branches, Options};
use pagerelay::http::Method;
use pagerelay::pagerduty::event::{Action, Event, Severity};
use pagerelay::sources::SOURCES;
use pagerelay_support::SECRET;
use pagerelay_support::fixtures::{self, Fixture};
use serde_json::json;

use crate::senders::findings;
use crate::walls::{handle, operated, stranger};

const ALL: Options = Options { branches: Branches::All, ..Options::DEFAULT };

/// The alert events of a fixture, with the choices of a user.
fn events(fixture: &Fixture, options: Options) -> Vec<Event> {
    let mapped = fixtures::map_with(fixture.source, &fixture.body, &fixture.headers, options);
    let events = mapped.map(|mapped| mapped.events).unwrap_or_default();
    events.into_iter().filter(|event| event.action() != Action::Change).collect()
}

/// The fixtures that make events only with `all`.
fn asked_for(slug: &str) -> Vec<(Fixture, Event)> {
    let source = pagerelay::sources::find(slug).expect("a source");
    let all = fixtures::of(source).into_iter();
    let new = all.filter(|fixture| events(fixture, Options::DEFAULT).is_empty());
    new.filter_map(|fixture| Some((fixture.clone(), events(&fixture, ALL).pop()?))).collect()
}

#[test]
fn with_all_the_ignored_branches_trigger_and_nothing_else_changes() {
    for (slug, reasons) in [
        ("github", ["run of another branch", "run of a pull request"]),
        ("gitlab", ["run of another branch", "run of a merge request"]),
    ] {
        let found = asked_for(slug);
        for (fixture, event) in &found {
            let ignored = fixture.expected(false).ignored.unwrap_or_default();
            assert!(reasons.iter().any(|reason| ignored.contains(reason)), "{}: {ignored}", fixture.name());
            assert_eq!(event.severity(), Severity::Warning, "{}", fixture.name());
        }
        for reason in reasons {
            let has = |(fixture, event): &(Fixture, Event)| {
                let ignored = fixture.expected(false).ignored.unwrap_or_default();
                ignored.contains(reason) && event.action() == Action::Trigger
            };
            assert!(found.iter().any(has), "{slug} has no fixture of a failed {reason}");
        }
    }
    for fixture in fixtures::all() {
        let by_default = events(&fixture, Options::DEFAULT);
        assert!(by_default.is_empty() || by_default == events(&fixture, ALL), "{}", fixture.name());
    }
}

#[test]
fn a_success_on_another_branch_closes_what_paged_before_the_choice() {
    for source in SOURCES.iter().filter(|source| source.branches.is_some()) {
        let opened: Vec<Event> = asked_for(source.slug).into_iter().map(|(_, event)| event).collect();
        let closes = |event: &Event| {
            event.action() == Action::Resolve && opened.iter().any(|opened| opened.dedup_key() == event.dedup_key())
        };
        let all = fixtures::of(source);
        assert!(all.iter().any(|fixture| events(fixture, Options::DEFAULT).iter().any(closes)), "{}", source.slug);
    }
}

#[test]
fn a_pull_request_of_a_fork_never_shares_an_alert_with_the_repositorys_branch() {
    let run = |cause: &str, head: &str, conclusion: &str| {
        let body = json!({
            "action": "completed", "repository": {"id": 7, "default_branch": "main"},
            "workflow_run": {"workflow_id": 3, "head_branch": "main", "event": cause, "conclusion": conclusion,
                "head_repository": {"full_name": head}},
        });
        let source = pagerelay::sources::find("github").expect("a source");
        let headers = [("x-github-event".to_owned(), "workflow_run".to_owned())];
        let mapped = fixtures::map_with(source, body.to_string().as_bytes(), &headers, ALL).expect("it is mapped");
        let event = mapped.events.first().expect("an event");
        (event.action(), event.dedup_key().expect("an alert").as_str().to_owned())
    };
    assert_eq!(run("push", "o/r", "failure"), (Action::Trigger, "github:7:workflow_run:3:main".to_owned()));
    let of_fork = "github:7:workflow_run:3:main:pull_request:stranger/r".to_owned();
    assert_eq!(run("pull_request", "stranger/r", "failure"), (Action::Trigger, of_fork.clone()));
    assert_eq!(run("pull_request_target", "stranger/r", "success"), (Action::Resolve, of_fork));
}

#[test]
fn the_variable_of_a_source_chooses_and_another_word_closes_the_source() {
    let body = fixtures::of(&pagerelay::sources::gitlab::SOURCE)
        .into_iter()
        .find(|fixture| fixture.name().contains("13-job-failed-on-a-branch"))
        .expect("the fixture of a failed job on a branch");
    let deliver = |word: &'static str| {
        let mut host = operated();
        host.variables.insert("branches_gitlab", word);
        let request = stranger(Method::Post, "/gitlab", &[("x-gitlab-token", SECRET)], &body.body);
        let (reply, said) = handle(&mut host, &request);
        (reply.status.as_u16(), said["detail"].as_str().unwrap_or_default().to_owned(), host.sent.len())
    };
    for word in ["", "default", " Default "] {
        assert_eq!(deliver(word), (200, String::new(), 0), "{word:?}");
    }
    assert_eq!(deliver("all"), (200, String::new(), 1));
    let detail = "variable `branches_gitlab` must be one of default, all";
    assert_eq!(deliver("every"), (503, detail.to_owned(), 0));

    let mut host = operated();
    host.variables.insert("branches_github", "main");
    host.variables.insert("branches_gitlab", "all");
    let found = findings(&mut host, "/check", "settings");
    assert_eq!(found, ["error variable `branches_github` must be one of default, all"]);
}

#[test]
fn check_knows_which_sources_have_branches() {
    let mut host = operated();
    for name in ["branches_githb", "branches_grafana", "branches_custom_mine", "branchs_gitlab"] {
        host.variables.insert(name, "all");
    }
    let strange = "no such source, or its alerts do not belong to branches";
    assert_eq!(
        findings(&mut host, "/check", "variables"),
        [
            format!("warning unknown variable `branches_custom_mine`: {strange}"),
            "warning unknown variable `branches_githb`: no such source; did you mean `branches_github`?".to_owned(),
            format!("warning unknown variable `branches_grafana`: {strange}"),
            "warning unknown variable `branchs_gitlab`; did you mean `branches_gitlab`?".to_owned(),
        ]
    );
}

#[test]
fn the_variable_is_named_after_its_source_and_no_source_groups_batches_too() {
    for source in SOURCES {
        let Some(choice) = &source.branches else { continue };
        assert_eq!(choice.variable, format!("branches_{}", source.slug));
        assert!(source.map_group.is_none(), "{}: which of the two mappings would apply?", source.slug);
    }
}
