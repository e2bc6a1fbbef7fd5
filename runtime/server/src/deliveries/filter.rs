//! Filters: which events of a kind an endpoint is sent, decided by their data.
//!
//! A filter is read once, when the configuration is; matching is pure and cannot fail. Invariant: a filter is a
//! conjunction, so a key more never lets an event more through.

use std::cmp::Ordering;

use serde_json::Value;

/// How deep `$not` and objects may be nested: a file cannot make matching recurse without end.
const DEEPEST: usize = 16;

/// Conditions on an event's data, all of which must hold. The empty one lets everything through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter(Vec<(Path, Condition)>);

/// Where a value stands: names of fields and places in lists, outermost first.
type Path = Box<[Box<str>]>;

/// What must hold for the value at a path; `None` stands for a value that is not there.
#[derive(Clone, Debug, PartialEq)]
enum Condition {
    /// It is this.
    Is(Value),
    /// It is one of these.
    OneOf(Vec<Value>),
    /// It is there, or it is not.
    Exists(bool),
    /// It compares so with a number or a text of the same kind.
    Compares(Comparison, Value),
    /// The condition does not hold.
    Not(Box<Condition>),
    /// All of these hold.
    All(Vec<Condition>),
    /// It is an object whose own values match.
    Object(Filter),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Greater,
    AtLeast,
    Less,
    AtMost,
}

/// Why a value is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {reason}")]
pub struct FilterError {
    /// Where: the keys that lead there, as they stand in the file.
    pub path: String,
    /// Why and what would do, as the rest of a sentence.
    pub reason: String,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// It is no object, or holds an operator that is unknown or whose value makes no sense.
    pub fn read(value: &Value) -> Result<Self, FilterError> {
        read_filter(value, "", 0)
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these data match.
    pub fn matches(&self, data: &Value) -> bool {
        self.0.iter().all(|(path, condition)| condition.holds(value_at(data, path)))
    }
}

fn at(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn wrong(path: &str, reason: impl Into<String>) -> FilterError {
    FilterError { path: path.to_owned(), reason: reason.into() }
}

fn read_filter(value: &Value, path: &str, depth: usize) -> Result<Filter, FilterError> {
    let Value::Object(entries) = value else {
        return Err(wrong(path, "is no object; write `{ \"field\": value }`"));
    };
    let mut conditions = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let path = at(path, key);
        if key.starts_with('$') {
            return Err(wrong(&path, "is an operator where a field of the event's data should stand"));
        }
        if key.split('.').any(str::is_empty) {
            return Err(wrong(&path, "is no path; write names with one dot between them"));
        }
        let segments = key.split('.').map(Box::from).collect();
        conditions.push((segments, read_condition(value, &path, depth + 1)?));
    }
    Ok(Filter(conditions))
}

fn read_condition(value: &Value, path: &str, depth: usize) -> Result<Condition, FilterError> {
    if depth > DEEPEST {
        return Err(wrong(path, format!("is nested more than {DEEPEST} deep")));
    }
    let entries = match value {
        Value::Array(values) => return Ok(Condition::OneOf(values.clone())),
        Value::Object(entries) => entries,
        scalar => return Ok(Condition::Is(scalar.clone())),
    };
    let operators = entries.keys().filter(|key| key.starts_with('$')).count();
    if operators == 0 {
        return Ok(Condition::Object(read_filter(value, path, depth)?));
    }
    if operators < entries.len() {
        return Err(wrong(path, "mixes operators and fields; put the fields into a path of their own"));
    }
    let mut all = Vec::with_capacity(operators);
    for (operator, value) in entries {
        all.push(read_operator(operator, value, &at(path, operator), depth)?);
    }
    Ok(if all.len() == 1 { all.remove(0) } else { Condition::All(all) })
}

fn read_operator(operator: &str, value: &Value, path: &str, depth: usize) -> Result<Condition, FilterError> {
    let comparison = match operator {
        "$eq" => return Ok(Condition::Is(value.clone())),
        "$in" => match value {
            Value::Array(values) => return Ok(Condition::OneOf(values.clone())),
            _ => return Err(wrong(path, "is no list; write `[\"a\", \"b\"]`")),
        },
        "$exists" => {
            return value.as_bool().map(Condition::Exists).ok_or_else(|| wrong(path, "is neither `true` nor `false`"));
        }
        "$not" => return Ok(Condition::Not(Box::new(read_condition(value, path, depth + 1)?))),
        "$gt" => Comparison::Greater,
        "$gte" => Comparison::AtLeast,
        "$lt" => Comparison::Less,
        "$lte" => Comparison::AtMost,
        _ => {
            let known = "`$eq`, `$in`, `$exists`, `$gt`, `$gte`, `$lt`, `$lte` and `$not`";
            return Err(wrong(path, format!("is no operator; there are {known}")));
        }
    };
    if !(value.is_number() || value.is_string()) {
        return Err(wrong(path, "compares with neither a number nor a text"));
    }
    Ok(Condition::Compares(comparison, value.clone()))
}

fn value_at<'a>(data: &'a Value, path: &[Box<str>]) -> Option<&'a Value> {
    path.iter().try_fold(data, |value, segment| match value {
        Value::Object(entries) => entries.get(&**segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

impl Condition {
    fn holds(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Is(wanted) => value.is_some_and(|value| is_equal(value, wanted)),
            Self::OneOf(wanted) => value.is_some_and(|value| wanted.iter().any(|wanted| is_equal(value, wanted))),
            Self::Exists(wanted) => value.is_some() == *wanted,
            Self::Compares(comparison, bound) => value.is_some_and(|value| comparison.holds(compare(value, bound))),
            Self::Not(condition) => !condition.holds(value),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(value)),
            Self::Object(filter) => value.is_some_and(|value| filter.matches(value)),
        }
    }
}

impl Comparison {
    fn holds(self, ordering: Option<Ordering>) -> bool {
        match self {
            Self::Greater => ordering == Some(Ordering::Greater),
            Self::AtLeast => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
            Self::Less => ordering == Some(Ordering::Less),
            Self::AtMost => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        }
    }
}

/// Equal as JSON, where `1` and `1.0` are the same number.
fn is_equal(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && compare(one, other) == Some(Ordering::Equal))
}

/// The order of two numbers or of two texts; things of different kinds have none.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.as_str().cmp(other)),
        (Value::Number(one), Value::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(filter: &Value, data: &Value, expected: bool) {
        let read = Filter::read(filter).unwrap();
        assert_eq!(read.matches(data), expected, "{filter} on {data}");
    }

    #[test]
    fn a_plain_value_must_be_equal_and_all_keys_must_hold() {
        let data = json!({"channel": "telegram", "sender": "boss", "count": 3});
        check(&json!({}), &data, true);
        check(&json!({"channel": "telegram"}), &data, true);
        check(&json!({"channel": "telegram", "sender": "boss"}), &data, true);
        check(&json!({"channel": "telegram", "sender": "intern"}), &data, false);
        check(&json!({"channel": "Telegram"}), &data, false);
        check(&json!({"count": 3.0}), &data, true);
        check(&json!({"count": "3"}), &data, false);
        check(&json!({"absent": null}), &data, false);
    }

    #[test]
    fn a_list_means_any_of_its_values() {
        check(&json!({"channel": ["telegram", "slack"]}), &json!({"channel": "slack"}), true);
        check(&json!({"channel": ["telegram", "slack"]}), &json!({"channel": "mail"}), false);
        check(&json!({"channel": []}), &json!({"channel": "mail"}), false);
        check(&json!({"channel": {"$in": ["mail", null]}}), &json!({"channel": null}), true);
    }

    #[test]
    fn dots_lead_into_objects_and_lists() {
        let data = json!({"details": {"source": {"ip": "10.0.0.1"}}, "items": [{"n": 1}, {"n": 2}]});
        check(&json!({"details.source.ip": "10.0.0.1"}), &data, true);
        check(&json!({"details": {"source.ip": "10.0.0.1"}}), &data, true);
        check(&json!({"items.1.n": 2}), &data, true);
        check(&json!({"items.2.n": 2}), &data, false);
        check(&json!({"details.source.ip.more": 1}), &data, false);
    }

    #[test]
    fn operators_ask_for_presence_order_and_the_opposite() {
        let data = json!({"duration_ms": 1500, "name": "m", "text": ""});
        check(&json!({"duration_ms": {"$gt": 1000}}), &data, true);
        check(&json!({"duration_ms": {"$gt": 1500}}), &data, false);
        check(&json!({"duration_ms": {"$gte": 1500, "$lt": 1500.5}}), &data, true);
        check(&json!({"duration_ms": {"$lte": 1499}}), &data, false);
        check(&json!({"duration_ms": {"$gt": "1000"}}), &data, false);
        check(&json!({"name": {"$gt": "a"}}), &data, true);
        check(&json!({"name": {"$eq": "m"}}), &data, true);
        check(&json!({"text": {"$exists": true}}), &data, true);
        check(&json!({"error": {"$exists": false}}), &data, true);
        check(&json!({"name": {"$not": "n"}}), &data, true);
        check(&json!({"name": {"$not": ["m", "n"]}}), &data, false);
        check(&json!({"absent": {"$not": "n"}}), &data, true);
        check(&json!({"duration_ms": {"$not": {"$gt": 1000}}}), &data, false);
    }

    #[test]
    fn what_is_no_filter_is_named_by_its_path() {
        for (filter, path) in [
            (json!([]), ""),
            (json!({"$or": []}), "$or"),
            (json!({"a": {"$regex": "x"}}), "a.$regex"),
            (json!({"a": {"$in": "x"}}), "a.$in"),
            (json!({"a": {"$exists": "yes"}}), "a.$exists"),
            (json!({"a": {"$gt": null}}), "a.$gt"),
            (json!({"a": {"$gt": 1, "b": 2}}), "a"),
            (json!({"a..b": 1}), "a..b"),
        ] {
            assert_eq!(Filter::read(&filter).unwrap_err().path, path, "{filter}");
        }
        let mut deep = json!(1);
        for _ in 0..1000 {
            deep = json!({ "$not": deep });
        }
        assert!(Filter::read(&json!({ "a": deep })).is_err());
    }
}
