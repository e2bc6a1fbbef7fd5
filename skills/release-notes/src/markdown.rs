//! Release notes as Markdown.

use crate::{Entry, Notes};

/// A heading, then a section a group and a line a change.
pub(crate) fn render(notes: &Notes) -> String {
    let mut text =
        String::with_capacity(256 + notes.groups.iter().map(|group| group.entries.len() * 96).sum::<usize>());
    text.push_str("# ");
    text.push_str(notes.version.as_deref().unwrap_or("Release notes"));
    if let Some(date) = &notes.date {
        text.push_str(" (");
        text.push_str(date);
        text.push(')');
    }
    text.push('\n');
    if notes.groups.is_empty() {
        text.push_str("\nNo changes.\n");
    }
    for group in &notes.groups {
        text.push_str("\n## ");
        text.push_str(&group.title);
        text.push_str("\n\n");
        for entry in &group.entries {
            push_entry(&mut text, entry);
        }
    }
    text
}

fn push_entry(text: &mut String, entry: &Entry) {
    text.push_str("- ");
    if let Some(scope) = &entry.scope {
        text.push_str("**");
        text.push_str(scope);
        text.push_str(":** ");
    }
    text.push_str(&entry.subject);
    let origin: Vec<&str> = [entry.sha.as_deref(), entry.author.as_deref()].into_iter().flatten().collect();
    if !origin.is_empty() {
        text.push_str(" (");
        text.push_str(&origin.join(", "));
        text.push(')');
    }
    text.push('\n');
    if let Some(breaking) = &entry.breaking {
        text.push_str("  ");
        text.push_str(breaking);
        text.push('\n');
    }
}
