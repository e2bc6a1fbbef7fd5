//! What checking a value against a schema may cost, known before anything is checked.
//!
//! A schema is a stranger's program: `allOf` over `$ref`s doubles at each step, and three kilobytes of it take longer
//! than the machine will last. The subschemas are walked once as a graph; from it follows, for each depth a value may
//! have, how many evaluations one place in that value can cause and how deep they nest.
//! How often the validator looks into alternatives, and what `unevaluated…` costs it, are estimates, meant to be high.
//! Invariant: whatever multiplies with the schema or with the depth of a value is in the numbers. What cannot be
//! counted (references that move, documents in the document) is refused.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Subschemas one schema may have, references followed.
const MAX_NODES: usize = 1_024;
/// `serde_json` reads no value nested deeper.
const MAX_DEPTH: usize = 128;
/// A schema that evaluates more than this at one place of a value [`FLAT`] levels deep is refused at install.
const MAX_EVALUATIONS: u64 = 10_000;
/// See [`MAX_EVALUATIONS`].
const FLAT: usize = 4;
/// Subschemas that may nest at one place of a value: each is a few frames of the host's stack.
const MAX_NESTING: u64 = 64;
/// A pattern or a comparison costs as much as so many plain evaluations.
const PATTERN: u64 = 16;
/// A validator may look into alternatives twice: to judge them, and to say what was wrong with each.
const TWICE: u64 = 2;
/// So much more do keywords cost that ask which members others have seen.
const UNEVALUATED: u64 = 4;

/// Costs by depth of the value: the last entry stands for everything deeper.
#[derive(Debug)]
pub(crate) struct Costs(Vec<Cost>);

/// What a value of one depth costs at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Evaluations for each place in the value.
    pub(crate) evaluations: u64,
    /// Evaluations that nest.
    pub(crate) nesting: u64,
}

impl Costs {
    /// Counts, or says why the schema is refused, as the rest of a sentence that begins with "the input schema".
    pub(crate) fn of(root: &Value) -> Result<Self, String> {
        let mut anchors = HashMap::new();
        find_anchors(root, root, &mut anchors)?;
        let mut graph = Graph { root, anchors, known: HashMap::new(), todo: Vec::new() };
        graph.node(root)?;
        let mut nodes = Vec::new();
        while let Some(schema) = graph.todo.get(nodes.len()).copied() {
            nodes.push(graph.read(schema)?);
        }
        let costs = count(&nodes)?;
        let flat = costs.at(FLAT);
        if flat.evaluations > MAX_EVALUATIONS {
            return Err(format!(
                "takes more than {MAX_EVALUATIONS} evaluations for one value; `$ref` to the same definition less often"
            ));
        }
        Ok(costs)
    }

    /// For a value with this many levels below its root.
    pub(crate) fn at(&self, depth: usize) -> Cost {
        self.0.get(depth).or(self.0.last()).copied().unwrap_or(Cost { evaluations: u64::MAX, nesting: u64::MAX })
    }
}

/// One subschema: what it evaluates where it stands, and what one level further down.
#[derive(Debug, Default)]
struct Node {
    weight: u64,
    /// On the same value; with how often.
    here: Vec<(usize, u64)>,
    /// On one member, whichever it is called: only one of these meets it.
    one_member: Vec<usize>,
    /// On every member.
    each_member: Vec<usize>,
    /// On one item, by its place: only one of these meets it.
    one_item: Vec<usize>,
    /// On every item.
    each_item: Vec<usize>,
}

struct Graph<'a> {
    root: &'a Value,
    anchors: HashMap<&'a str, &'a Value>,
    /// By address: the document stands still while it is walked.
    known: HashMap<usize, usize>,
    todo: Vec<&'a Value>,
}

/// Anchors by name; refuses what would make `#/…` mean different places.
fn find_anchors<'a>(root: &Value, value: &'a Value, anchors: &mut HashMap<&'a str, &'a Value>) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| find_anchors(root, item, anchors)),
        Value::Object(members) => {
            if members.get("$id").is_some_and(Value::is_string) && !std::ptr::eq(root, value) {
                return Err("holds a schema with an `$id` of its own; put it under `$defs` without one".to_owned());
            }
            for key in ["$anchor", "$dynamicAnchor"] {
                if let Some(name) = members.get(key).and_then(Value::as_str)
                    && anchors.insert(name, value).is_some()
                {
                    return Err(format!("names the anchor `{name}` twice"));
                }
            }
            members.values().try_for_each(|member| find_anchors(root, member, anchors))
        }
        _ => Ok(()),
    }
}

impl<'a> Graph<'a> {
    fn node(&mut self, schema: &'a Value) -> Result<usize, String> {
        let address = std::ptr::from_ref(schema).addr();
        if let Some(known) = self.known.get(&address) {
            return Ok(*known);
        }
        let index = self.todo.len();
        if index == MAX_NODES {
            return Err(format!("has more than {MAX_NODES} subschemas"));
        }
        self.known.insert(address, index);
        self.todo.push(schema);
        Ok(index)
    }

    fn one(&mut self, schema: &'a Map<String, Value>, key: &str) -> Result<Option<usize>, String> {
        schema.get(key).filter(|value| is_schema(value)).map(|value| self.node(value)).transpose()
    }

    /// The subschemas of a keyword that holds an array or an object of them.
    fn many(&mut self, schema: &'a Map<String, Value>, key: &str) -> Result<Vec<usize>, String> {
        let found: Vec<&'a Value> = match schema.get(key) {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(Value::Object(members)) => members.values().collect(),
            _ => Vec::new(),
        };
        found.into_iter().filter(|value| is_schema(value)).map(|value| self.node(value)).collect()
    }

    fn target(&self, reference: &str) -> Result<&'a Value, String> {
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(format!("has a `$ref` to `{reference}` that leaves the document; put it under `$defs`"));
        };
        let fragment = percent_decode_str(fragment).decode_utf8().map_err(|_| format!("`{reference}` is not UTF-8"))?;
        let found = match fragment.is_empty() || fragment.starts_with('/') {
            true => self.root.pointer(&fragment),
            false => self.anchors.get(&*fragment).copied(),
        };
        found.ok_or_else(|| format!("has a `$ref` to `{reference}`, which is not there"))
    }

    fn read(&mut self, schema: &'a Value) -> Result<Node, String> {
        let Value::Object(schema) = schema else { return Ok(Node { weight: 1, ..Node::default() }) };
        for key in ["$dynamicRef", "$recursiveRef"] {
            if schema.contains_key(key) {
                return Err(format!("uses `{key}`, which is not served; use `$ref`"));
            }
        }
        let mut node = Node { weight: weight_of(schema), ..Node::default() };
        let unevaluated = schema.contains_key("unevaluatedProperties") || schema.contains_key("unevaluatedItems");
        let often = if unevaluated { UNEVALUATED } else { 1 };
        if let Some(Value::String(reference)) = schema.get("$ref") {
            let target = self.target(reference)?;
            node.here.push((self.node(target)?, often));
        }
        node.here.extend(self.many(schema, "allOf")?.into_iter().map(|child| (child, often)));
        for key in ["anyOf", "oneOf", "dependentSchemas", "dependencies"] {
            node.here.extend(self.many(schema, key)?.into_iter().map(|child| (child, often * TWICE)));
        }
        for key in ["not", "if", "then", "else"] {
            node.here.extend(self.one(schema, key)?.map(|child| (child, often * TWICE)));
        }
        node.one_member = self.many(schema, "properties")?;
        node.each_member = self.many(schema, "patternProperties")?;
        for key in ["additionalProperties", "unevaluatedProperties", "propertyNames"] {
            node.each_member.extend(self.one(schema, key)?);
        }
        node.one_item = self.many(schema, "prefixItems")?;
        match schema.get("items") {
            Some(Value::Array(_)) => node.one_item.extend(self.many(schema, "items")?),
            _ => node.each_item.extend(self.one(schema, "items")?),
        }
        for key in ["additionalItems", "contains", "unevaluatedItems"] {
            node.each_item.extend(self.one(schema, key)?);
        }
        Ok(node)
    }
}

const fn is_schema(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::Bool(_))
}

/// What a subschema costs by itself: its lists are compared one by one, its patterns run over whole texts.
fn weight_of(schema: &Map<String, Value>) -> u64 {
    let mut weight = 1;
    for key in ["enum", "const", "required", "dependentRequired", "dependencies"] {
        weight += schema.get(key).map_or(0, |value| values_in(value) / 8);
    }
    if schema.contains_key("pattern") {
        weight += PATTERN;
    }
    if let Some(Value::Object(patterns)) = schema.get("patternProperties") {
        weight += PATTERN * patterns.len() as u64;
    }
    weight
}

fn values_in(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(values_in).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(values_in).sum::<u64>(),
        _ => 1,
    }
}

/// Costs of the first node, for each depth until they no longer change.
fn count(nodes: &[Node]) -> Result<Costs, String> {
    let order = children_first(nodes)?;
    let none = Cost { evaluations: 0, nesting: 0 };
    let mut below = vec![none; nodes.len()];
    let mut costs = Vec::new();
    for _ in 0..=MAX_DEPTH {
        let mut here = vec![none; nodes.len()];
        for &index in &order {
            here[index] = cost(&nodes[index], &here, &below);
        }
        if costs.is_empty() && here.iter().any(|cost| cost.nesting > MAX_NESTING) {
            return Err(format!("nests more than {MAX_NESTING} subschemas at one place"));
        }
        costs.push(here[0]);
        if here == below {
            break;
        }
        below = here;
    }
    Ok(Costs(costs))
}

fn cost(node: &Node, here: &[Cost], below: &[Cost]) -> Cost {
    let most = |of: &[usize]| of.iter().map(|&child| below[child].evaluations).max().unwrap_or(0);
    let sum = |of: &[usize]| of.iter().fold(0_u64, |sum, &child| sum.saturating_add(below[child].evaluations));
    let members = most(&node.one_member).saturating_add(sum(&node.each_member));
    let items = most(&node.one_item).saturating_add(sum(&node.each_item));
    let in_place = node
        .here
        .iter()
        .fold(0_u64, |sum, &(child, often)| sum.saturating_add(here[child].evaluations.saturating_mul(often)));
    let deeper = [&node.one_member, &node.each_member, &node.one_item, &node.each_item].into_iter().flatten();
    let nested = deeper
        .map(|&child| below[child].nesting)
        .chain(node.here.iter().map(|&(child, _)| here[child].nesting))
        .max()
        .unwrap_or(0);
    Cost {
        evaluations: node.weight.saturating_add(in_place).saturating_add(members.max(items)),
        nesting: nested.saturating_add(1),
    }
}

/// An order in which each node comes after all it evaluates in place; there is none if a schema evaluates itself.
fn children_first(nodes: &[Node]) -> Result<Vec<usize>, String> {
    let mut wanted_by = vec![0_usize; nodes.len()];
    for (child, _) in nodes.iter().flat_map(|node| &node.here) {
        wanted_by[*child] += 1;
    }
    let mut order: Vec<usize> = (0..nodes.len()).filter(|&index| wanted_by[index] == 0).collect();
    let mut at = 0;
    while let Some(&index) = order.get(at) {
        at += 1;
        for &(child, _) in &nodes[index].here {
            wanted_by[child] -= 1;
            if wanted_by[child] == 0 {
                order.push(child);
            }
        }
    }
    if order.len() < nodes.len() {
        return Err("has a `$ref` that leads back to itself without going into the value".to_owned());
    }
    order.reverse();
    Ok(order)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(schema: &Value) -> String {
        Costs::of(schema).unwrap_err()
    }

    /// `a0: {allOf: [a1, a1]}`, and so on: two to the power of `length`.
    fn doubling(length: usize, keyword: &str) -> Value {
        let mut definitions = Map::new();
        for at in 0..length {
            let next = json!({ "$ref": format!("#/$defs/a{}", at + 1) });
            definitions.insert(format!("a{at}"), json!({ keyword: [next, next] }));
        }
        definitions.insert(format!("a{length}"), json!({ "type": "string" }));
        json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/a0" } }, "$defs": definitions })
    }

    #[test]
    fn a_schema_that_doubles_at_each_reference_is_refused() {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let refusal = refusal(&doubling(24, keyword));
            assert!(refusal.starts_with("takes more than 10000 evaluations"), "{refusal}");
        }
        assert!(Costs::of(&doubling(6, "allOf")).is_ok());
        assert_eq!(refusal(&doubling(44, "allOf")), "nests more than 64 subschemas at one place");
    }

    #[test]
    fn a_reference_that_leads_nowhere_new_is_refused() {
        let to_itself = json!({ "type": "object", "allOf": [{ "$ref": "#" }] });
        assert_eq!(refusal(&to_itself), "has a `$ref` that leads back to itself without going into the value");
        let pair = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "not": { "$ref": "#/$defs/a" } } } });
        assert_eq!(refusal(&pair), "has a `$ref` that leads back to itself without going into the value");
    }

    #[test]
    fn a_tree_costs_the_same_at_each_of_its_levels() {
        let tree =
            json!({ "type": "object", "properties": { "children": { "type": "array", "items": { "$ref": "#" } } } });
        let costs = Costs::of(&tree).unwrap();
        // An object, its array, the reference to the next object.
        assert_eq!(costs.at(1), Cost { evaluations: 2, nesting: 2 });
        assert_eq!(costs.at(3).evaluations, 5);
        assert_eq!(costs.at(101).evaluations, 152);
    }

    #[test]
    fn recursion_that_branches_costs_more_with_each_level_of_the_value() {
        let branching = json!({ "type": "object", "properties": {
            "next": { "allOf": [{ "$ref": "#" }, { "$ref": "#" }] },
        } });
        let costs = Costs::of(&branching).unwrap();
        assert!(costs.at(3).evaluations < 100);
        assert!(costs.at(40).evaluations > 1 << 40);
        assert!(costs.at(128).evaluations == u64::MAX);
    }

    #[test]
    fn a_flat_schema_costs_what_its_dearest_member_costs() {
        let flat = json!({ "type": "object", "required": ["a"], "properties": {
            "a": { "type": "string" }, "b": { "type": "string", "pattern": "^b" },
        } });
        assert_eq!(Costs::of(&flat).unwrap().at(50), Cost { evaluations: 18, nesting: 2 });
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        for (schema, reason) in [
            (json!({ "$ref": "http://127.0.0.1/x" }), "has a `$ref` to `http://127.0.0.1/x` that leaves the document"),
            (json!({ "$ref": "#/$defs/b" }), "has a `$ref` to `#/$defs/b`, which is not there"),
            (json!({ "$dynamicRef": "#x" }), "uses `$dynamicRef`, which is not served"),
            (json!({ "properties": { "a": { "$id": "b" } } }), "holds a schema with an `$id` of its own"),
            (json!({ "allOf": [{ "$anchor": "a" }, { "$anchor": "a" }] }), "names the anchor `a` twice"),
        ] {
            let refusal = refusal(&schema);
            assert!(refusal.starts_with(reason), "{refusal}");
        }
        let many: Map<String, Value> = (0..MAX_NODES).map(|at| (at.to_string(), json!(true))).collect();
        assert_eq!(refusal(&json!({ "properties": many })), "has more than 1024 subschemas");
    }

    #[test]
    fn references_by_pointer_and_by_anchor_are_followed() {
        let schema = json!({ "properties": { "a": { "$ref": "#/$defs/odd%20name~1" }, "b": { "$ref": "#here" } },
            "$defs": { "odd name/": { "pattern": "x" }, "b": { "$anchor": "here", "pattern": "y" } } });
        assert_eq!(Costs::of(&schema).unwrap().at(1), Cost { evaluations: 19, nesting: 3 });
    }
}
