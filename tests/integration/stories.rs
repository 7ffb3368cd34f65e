//! Every story holds, and together they reach every policy and action.

use std::collections::BTreeMap;
use std::fs;

use cedargate::finding::Finding;
use cedargate::policy::story::{self, Coverage, Outcome};

use crate::pack;

fn play(name: &str, text: &str) -> Outcome {
    let policies = pack::policies();
    let story = story::parse(name, text).unwrap_or_else(|findings| panic!("{}", told(&findings)));
    story.run(&policies, &pack::world(&policies, &story.world))
}

fn told(findings: &[Finding]) -> String {
    let line = |it: &Finding| {
        let start = it.span.clone().map_or(0, |span| span.start);
        let line = it.source[..start].matches('\n').count() + 1;
        format!("{}:{line}: {} ({})\n", it.file, it.message, it.help.clone().unwrap_or_default())
    };
    findings.iter().map(line).collect()
}

#[test]
fn stories_hold_and_reach_every_policy_and_action() {
    let policies = pack::policies();
    let (mut worlds, mut coverage, mut failed) = (BTreeMap::new(), Coverage::default(), String::new());
    let mut files: Vec<_> =
        fs::read_dir(pack::path("tests/stories")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let story = match story::parse(name.as_str(), fs::read_to_string(&file).unwrap()) {
            Ok(story) => story,
            Err(findings) => {
                failed += &told(&findings);
                continue;
            }
        };
        let world = worlds.entry(story.world.clone()).or_insert_with(|| pack::world(&policies, &story.world));
        let outcome = story.run(&policies, world);
        failed += &told(&outcome.failures);
        coverage.merge(outcome.coverage);
    }
    assert!(failed.is_empty(), "\n{failed}");
    assert_eq!(coverage.gaps(&policies), Vec::<String>::new());
}

#[test]
fn every_policy_says_why() {
    let policies = pack::policies();
    let silent: Vec<_> =
        policies.policies().filter(|policy| policy.why.is_empty()).map(|policy| &policy.id).collect();
    assert!(silent.is_empty(), "policies without @why: {silent:?}");
    assert_eq!(policies.level(), 2, "a deeper level costs every decision another load");
}

#[test]
fn a_line_that_does_not_hold_is_told_with_its_place() {
    let lines = [
        (r#"allow = ["wife view drinking"]"#, "was denied"),
        (r#"deny = ["wife view garage"]"#, "was allowed"),
        (r#"deny = ["wife view drinking visible"]"#, "hidden, not visible"),
        (r#"allow = ["wife view garage because view-organization-devices"]"#, "without"),
        (r#"allow = ["wife view nothing"]"#, "nothing in this world"),
        (r#"allow = ["wife paint garage"]"#, "no action"),
        (r#"after = [{ entity = "garage", set = { owner = 5 } }]"#, "owner"),
        (r#"after = [{ entity = "garage", leave = ["home"] }]"#, "cannot leave"),
    ];
    for (line, said) in lines {
        let text = format!("title = \"t\"\nworld = \"family\"\n{line}\n");
        let outcome = play("t.toml", &text);
        let [finding] = outcome.failures.as_slice() else { panic!("{line}: {:?}", outcome.failures) };
        assert!(finding.message.contains(said), "{line}: {}", finding.message);
        assert!(finding.span.clone().is_some_and(|span| span.start > text.find("family").unwrap()), "{line}");
        assert_eq!(outcome.coverage.reasons.len(), 0, "what fails covers nothing");
    }
}

#[test]
fn gaps_name_what_no_story_reaches() {
    let policies = pack::policies();
    let outcome = play("t.toml", "title = \"t\"\nworld = \"family\"\nallow = [\"dad view spare-lamp\"]\n");
    let gaps = outcome.coverage.gaps(&policies);
    assert!(gaps.contains(&"policy `view-own-devices` decides no story".to_owned()));
    assert!(!gaps.contains(&"policy `view-organization-devices` decides no story".to_owned()));
    assert!(gaps.contains(&"action `view` is denied in no story".to_owned()));
    assert!(!gaps.contains(&"action `view` is allowed in no story".to_owned()));
}
