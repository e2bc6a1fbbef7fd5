//! Notes that outlive a call.
//!
//! A note is one key of a bucket, so that two calls at one time never write over each other. Invariant: a number is
//! given once, counted by the bucket itself, and never again.

use openclaw_guest::kv::{self, Bucket};
use openclaw_guest::{Failure, Report, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the last number is kept.
const LAST: &str = "last";
/// How many notes a list shows unless asked otherwise.
const DEFAULT_LIMIT: usize = 50;

/// One note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// Its number.
    id: u32,
    /// What it says.
    text: String,
    /// What it is filed under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

/// Several notes, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Notes {
    /// How many there are, shown or not.
    total: usize,
    /// Those that are shown.
    notes: Vec<Note>,
}

/// A new note.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    /// What it says.
    #[schemars(length(min = 1, max = 10_000))]
    text: String,
    /// What it is filed under.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)))]
    tags: Vec<String>,
}

/// Which notes to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// Only notes filed under this.
    tag: Option<String>,
    /// At most so many; 50 without it.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
}

/// What to look for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Words that must all be in the text or the tags, in any case.
    #[schemars(length(min = 1, max = 500))]
    words: String,
}

/// Which note.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Its number.
    id: u32,
}

/// Adds a note and returns its number.
#[tool(title = "Add a note")]
pub fn add(addition: Addition) -> Result<Report<Note>, Failure> {
    if addition.text.trim().is_empty() {
        return Err(Failure::invalid_arguments("`text` says nothing"));
    }
    let bucket = kv::open("default")?;
    let id = u32::try_from(bucket.increment(LAST, 1)?).map_err(|_| Failure::failed("there are no numbers left"))?;
    let note = Note { id, text: addition.text, tags: addition.tags };
    bucket.set_json(&key(id), &note)?;
    Ok(Report { text: format!("note {id} is kept"), value: note })
}

/// Lists notes, the newest first.
#[tool(title = "List notes", read_only, idempotent)]
pub fn list(listing: &Listing) -> Result<Report<Notes>, Failure> {
    let filed = |note: &Note| listing.tag.as_ref().is_none_or(|tag| note.tags.iter().any(|known| known == tag));
    found(filed, listing.limit.unwrap_or(DEFAULT_LIMIT))
}

/// Finds notes by words in their text or tags.
#[tool(title = "Search notes", read_only, idempotent)]
pub fn search(search: &Search) -> Result<Report<Notes>, Failure> {
    let words: Vec<String> = search.words.split_whitespace().map(str::to_lowercase).collect();
    let matches = |note: &Note| {
        let text = format!("{} {}", note.text, note.tags.join(" ")).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    found(matches, DEFAULT_LIMIT)
}

/// Removes a note for good.
#[tool(title = "Remove a note", destructive, idempotent)]
pub fn remove(which: &Which) -> Result<String, Failure> {
    let bucket = kv::open("default")?;
    let key = key(which.id);
    if !bucket.exists(&key)? {
        return Err(Failure::not_found(format!("there is no note {}", which.id)));
    }
    bucket.delete(&key)?;
    Ok(format!("note {} is removed", which.id))
}

openclaw_guest::skill!(add, list, search, remove);

/// Numbers in keys have one length, so that keys in order are notes in order.
fn key(id: u32) -> String {
    format!("note/{id:010}")
}

fn found(wanted: impl Fn(&Note) -> bool, limit: usize) -> Result<Report<Notes>, Failure> {
    let bucket = kv::open("default")?;
    let mut notes = all(&bucket)?;
    notes.retain(wanted);
    notes.sort_by_key(|note| std::cmp::Reverse(note.id));
    let total = notes.len();
    notes.truncate(limit);
    let lines: Vec<String> = notes.iter().map(shown).collect();
    let text = match (total, notes.len()) {
        (0, _) => "no notes".to_owned(),
        (total, shown) if total > shown => format!("{}\n({} more)", lines.join("\n"), total - shown),
        _ => lines.join("\n"),
    };
    Ok(Report { text, value: Notes { total, notes } })
}

fn all(bucket: &Bucket) -> Result<Vec<Note>, Failure> {
    let mut notes = Vec::new();
    for key in bucket.keys()?.iter().filter(|key| key.starts_with("note/")) {
        // One that was removed in between is simply gone.
        notes.extend(bucket.get_json::<Note>(key)?);
    }
    Ok(notes)
}

fn shown(note: &Note) -> String {
    let tags: String = note.tags.iter().map(|tag| format!(" #{tag}")).collect();
    format!("{}. {}{tags}", note.id, note.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str, tags: &[&str]) -> u32 {
        let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
        add(Addition { text: text.to_owned(), tags }).unwrap().value.id
    }

    #[test]
    fn notes_are_added_found_and_removed() {
        let milk = added("buy milk", &["home"]);
        let mail = added("answer Ana's Mail", &["work", "ana"]);
        assert_eq!((milk, mail), (1, 2));
        let listed = list(&Listing { tag: None, limit: None }).unwrap();
        assert_eq!(listed.text, "2. answer Ana's Mail #work #ana\n1. buy milk #home");
        assert_eq!(list(&Listing { tag: Some("home".to_owned()), limit: None }).unwrap().value.total, 1);
        assert_eq!(list(&Listing { tag: None, limit: Some(1) }).unwrap().text.lines().last(), Some("(1 more)"));
        assert_eq!(search(&Search { words: "mail ANA".to_owned() }).unwrap().value.notes[0].id, mail);
        assert_eq!(search(&Search { words: "bread".to_owned() }).unwrap().text, "no notes");
        remove(&Which { id: milk }).unwrap();
        assert!(remove(&Which { id: milk }).is_err());
        assert_eq!(added("again", &[]), 3);
    }
}
