//! Bodies of any size, made from fixtures: the shapes that cost most for their bytes, and what they cost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::build::{self, Flavour};
use crate::fixtures::{self, Fixture};
use crate::runtime::{Call, Egress, Relay, Reply, World};
use crate::{SECRET, examples, secret_for};

/// The size of a small body, in bytes.
pub const SMALL: usize = 8 * 1024;

/// How many times as large the large body is.
pub const TIMES: usize = 16;

/// The most instructions of a large body, in percent of [`TIMES`] times those of the small one.
pub const PERCENT_MAX: u64 = 130;

/// The same for templates: one of them appends to a list for each item and sorts it, which a template may do.
pub const TEMPLATE_PERCENT_MAX: u64 = 140;

/// The most memory of an instance, in bytes.
pub const MEMORY_MAX: usize = 64 * 1024 * 1024;

/// A request that grows.
pub struct Subject {
    pub name: String,
    world: World,
    /// The size of the small body.
    small: usize,
    call: Box<dyn Fn(usize, usize) -> Option<Call> + Send + Sync>,
}

/// What the small and the large body of a subject cost.
pub struct Growth {
    pub bytes: [usize; 2],
    pub fuel: [u64; 2],
    pub memory: usize,
    pub status: u16,
}

impl Growth {
    /// The instructions of the large body, in percent of [`TIMES`] times those of the small one.
    pub fn percent(&self) -> u64 {
        let [small, large] = self.fuel;
        100 * large / (small * TIMES as u64).max(1)
    }
}

impl Subject {
    /// Sends both bodies. Returns `None` if the subject cannot grow to these sizes.
    pub async fn measure(&self) -> Option<Growth> {
        let (small, large) = ((self.call)(self.small, 1)?, (self.call)(self.small, TIMES)?);
        let bytes = [small.body.len(), large.body.len()];
        let (small, large) = (self.send(small).await, self.send(large).await);
        let memory = small.memory.max(large.memory);
        Some(Growth { bytes, fuel: [small.fuel, large.fuel], memory, status: large.status })
    }

    async fn send(&self, call: Call) -> Reply {
        counting().call(&self.world, call).await.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// The released component, counting instructions.
pub fn counting() -> &'static Relay {
    static RELAY: OnceLock<Relay> = OnceLock::new();
    RELAY.get_or_init(|| Relay::counting(build::component(Flavour::Spin), Flavour::Spin).expect("the component loads"))
}

/// Variables and a PagerDuty that accepts everything at once, so that a request costs the same each time.
pub fn accepting() -> World {
    World { egress: Egress::Accepted, ..World::new("https://events.pagerduty.com/v2/enqueue") }
}

/// Every fixture of every source, in both groupings, in every shape; or with `few`, every shape for the first fixture of a
/// source, and two shapes for each of the others.
pub fn deliveries(few: bool) -> Vec<Subject> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut subjects = Vec::new();
    for fixture in fixtures::of_each_kind() {
        let n = seen.entry(fixture.source.slug).or_default();
        let wanted = |index: usize| !few || *n == 0 || [*n % 9, (*n + 4) % 9].contains(&index);
        let shapes = Shape::ALL.into_iter().enumerate().filter(|(index, _)| wanted(*index));
        for (_, shape) in shapes {
            for grouped in [false, true] {
                if !grouped || fixture.can_group() {
                    subjects.extend(of_shape(&fixture, shape, grouped, "", SMALL));
                }
            }
        }
        for long in [false, true] {
            subjects.extend(of_form(&fixture, long));
        }
        *n += 1;
    }
    subjects
}

/// The first fixture of each source that can grow like this, for each of these shapes.
pub fn firsts(shapes: &[Shape], prefix: &'static str, small: usize) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for shape in shapes {
        let mut done = BTreeSet::new();
        for fixture in fixtures::all() {
            if !done.contains(fixture.source.slug)
                && let Some(subject) = of_shape(&fixture, *shape, false, prefix, small)
            {
                done.insert(fixture.source.slug);
                subjects.push(subject);
            }
        }
    }
    subjects
}

fn of_shape(fixture: &Fixture, shape: Shape, grouped: bool, prefix: &'static str, small: usize) -> Option<Subject> {
    let seed: Value = serde_json::from_slice(&fixture.body).ok()?;
    shape.grow(&seed, small, 1)?;
    let fixture = fixture.clone();
    let path = format!("{prefix}/{}", fixture.source.slug);
    let world = if grouped { accepting().with("grouping", "group") } else { accepting() };
    let name = format!("{prefix} {} {shape:?}{}", fixture.name(), if grouped { ", grouped" } else { "" });
    let call = move |small: usize, times: usize| {
        let fixture = Fixture { body: shape.grow(&seed, small, times)?, ..fixture.clone() };
        Some(Call::fixture(&fixture, &path, secret_for(&path)))
    };
    Some(Subject { name, world, small, call: Box::new(call) })
}

fn of_form(fixture: &Fixture, long: bool) -> Option<Subject> {
    let form = String::from_utf8(fixture.body.clone()).ok().filter(|form| !form.trim_start().starts_with('{'))?;
    let fixture = fixture.clone();
    let path = format!("/{}", fixture.source.slug);
    let name = format!("{} form with {}", fixture.name(), if long { "a long value" } else { "many fields" });
    let call = move |small: usize, times: usize| {
        let fixture = Fixture { body: grow_form(&form, small * times, long), ..fixture.clone() };
        Some(Call::fixture(&fixture, &path, secret_for(&path)))
    };
    Some(Subject { name, world: accepting(), small: SMALL, call: Box::new(call) })
}

/// The example templates, and templates that ask for much, in every shape of their payload.
pub fn templates(few: bool) -> Vec<Subject> {
    let own_auth = |template: &str| serde_json::from_str::<Value>(template).is_ok_and(|json| !json["auth"].is_null());
    let examples = examples::all().into_iter().filter(|example| !own_auth(&example.template));
    let seeded = |example: examples::Example| Seeded {
        seed: serde_json::from_slice(&example.body()).unwrap_or_default(),
        headers: example.headers(),
        name: example.name,
        template: example.template,
    };
    let mut all: Vec<Seeded> = examples.map(seeded).filter(|seeded| seeded.seed.is_object()).collect();
    let items: Vec<Value> = (0..4).map(|n| json!({"id": n, "text": "a text of some length"})).collect();
    let seed = json!({"title": "a title", "long": "a long text", "number": 17, "list": items});
    for (name, text) in GREEDY {
        let template = json!({"each": "payload.list", "event": {
            "event_action": "trigger", "dedup_key": "{{ item.id }}",
            "payload": {"summary": "{{ item.text }}", "source": "s", "custom_details": {"made": text}}}});
        let (name, template) = ((*name).to_owned(), template.to_string());
        all.push(Seeded { name, template, seed: seed.clone(), headers: Vec::new() });
    }
    let mut subjects = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, Seeded { name, template, seed, headers }) in all.into_iter().enumerate() {
        let first = seen.insert(name.clone());
        for (at, shape) in Shape::ALL.into_iter().enumerate() {
            if few && (!first || (at + index) % 3 > 0) || shape.grow(&seed, SMALL, 1).is_none() {
                continue;
            }
            let (seed, headers) = (seed.clone(), headers.clone());
            let call = move |small: usize, times: usize| {
                let call = Call::post("/custom/grown", shape.grow(&seed, small, times)?);
                Some(headers.iter().fold(call, |call, (name, value)| call.header(name, value)))
            };
            let world = accepting().with("custom_grown", &template);
            let name = format!("template {name} {shape:?}");
            subjects.push(Subject { name, world, small: SMALL, call: Box::new(call) });
        }
    }
    subjects
}

/// A template, and a small payload for it with the headers of its sender.
struct Seeded {
    name: String,
    template: String,
    seed: Value,
    headers: Vec<(String, String)>,
}

/// Requests that once took seconds or gigabytes, each with the size of its body.
pub fn once_too_much() -> Vec<(&'static str, Call)> {
    let labels: Map<String, Value> = (0..3000).map(|n| (format!("l{n}"), json!("v"))).collect();
    let alert = |n: usize| json!({"status": "firing", "fingerprint": format!("{n:x}")});
    let alerts: Value = (0..450).map(alert).collect();
    let zones: Value = (0..4500).map(|n| json!({"zone_name": format!("z{n}")})).collect();
    let texts = ["a".repeat(60_000) + "b", "a".repeat(59_000)];
    let keys: Value = (0..4000).map(|n| json!({"fingerprint": n.to_string()})).collect();
    let bodies = [
        ("45 KB", "/alertmanager", json!({"groupKey": "g", "groupLabels": labels, "alerts": alerts})),
        (
            "375 KB",
            "/cloudflare",
            json!({"alert_type": "real_origin_monitoring", "name": "n", "policy_id": "p",
            "text": "x".repeat(300_000), "data": {"unreachable_zones": zones}}),
        ),
        (
            "120 KB",
            "/newrelic",
            json!({"issueId": "1", "state": "ACTIVATED", "title": texts[0], "conditionName": [texts[1]]}),
        ),
        (
            "120 KB",
            "/zabbix",
            json!({"event_id": "1", "trigger_name": texts[0], "event_name": texts[0], "host": texts[1]}),
        ),
        ("138 KB", "/preview/alertmanager", json!({"groupKey": "g", "alerts": keys})),
    ];
    let call = |path: &str, body: &Value| Call::post(path, body.to_string()).header("cf-webhook-auth", SECRET);
    bodies.iter().map(|(size, path, body)| (*size, call(path, body))).collect()
}

/// Texts that copy or search the payload for each of its items.
const GREEDY: &[(&str, &str)] = &[
    ("copies all", "{{ payload }}"),
    ("copies all as a text", "{{ payload | tojson }}"),
    ("joins all", "{% for i in payload.list %}{{ i.text }}, {% endfor %}"),
    ("adds a list to itself", "{% set l = payload.list %}{{ (l + l + l + l) | length }}"),
    ("sorts all", "{{ payload.list | sort(attribute='text') | map(attribute='id') | join(',') }}"),
];

/// How a body grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Every list repeats its items, so that all events of an item have one key.
    OneKey,
    /// Every list repeats its items, with other ids in each.
    ManyKeys,
    /// Every list repeats its items, and the longest text outside the lists is as long as half the body.
    SharedText,
    /// The longest text is as long as the body.
    LongText,
    /// All texts are long and almost the same, which is slow for a naive search of one in another.
    AlmostEqual,
    /// Every object has more members.
    Members,
    /// A member holds lists in lists, to the deepest that is accepted, over and over.
    Nesting,
    /// Every number has more digits.
    Digits,
    /// Names of members are long.
    LongNames,
}

impl Shape {
    pub const ALL: [Shape; 9] = [
        Shape::OneKey,
        Shape::ManyKeys,
        Shape::SharedText,
        Shape::LongText,
        Shape::AlmostEqual,
        Shape::Members,
        Shape::Nesting,
        Shape::Digits,
        Shape::LongNames,
    ];

    /// A body that grows from `seed` by as many times `unit` bytes. Whatever grows, such as the items of a list or the
    /// length of a text, is exactly as many times as large or as many. Returns `None` if the seed is larger than `unit`
    /// bytes, or has nothing that could grow like this.
    pub fn grow(self, seed: &Value, unit: usize, times: usize) -> Option<Vec<u8>> {
        let unit = unit.checked_sub(seed.to_string().len())?;
        let room = unit * times;
        let mut body = seed.clone();
        match self {
            Shape::OneKey => repeat(&mut body, unit, times, false)?,
            Shape::ManyKeys => repeat(&mut body, unit, times, true)?,
            Shape::SharedText => {
                let shared = longest(seed, false)?;
                repeat(&mut body, unit / 2, times, true)?;
                *body.pointer_mut(&shared)? = words(room / 2).into();
            }
            Shape::LongText => *body.pointer_mut(&longest(seed, true)?)? = words(room).into(),
            Shape::AlmostEqual => {
                let texts = leaves(seed, true, &Value::is_string);
                let share = room / texts.len().max(1);
                for (index, path) in texts.iter().enumerate() {
                    let text = "a".repeat(share.saturating_sub(index % 7)) + if index % 2 == 0 { "b" } else { "" };
                    *body.pointer_mut(path)? = text.into();
                }
            }
            Shape::Members => {
                let objects = leaves(seed, true, &Value::is_object);
                let each = (unit / objects.len().max(1) / 20).max(1) * times;
                for path in &objects {
                    let object = body.pointer_mut(path)?.as_object_mut()?;
                    object.extend((0..each).map(|n| (format!("m{n:06}"), json!("value {n}"))));
                }
            }
            Shape::Nesting => {
                let deep = (0..100).fold(Value::Null, |inner, _| json!([inner]));
                let list = vec![deep; (unit / 206).max(1) * times];
                body.as_object_mut()?.insert("extra".to_owned(), list.into());
            }
            Shape::Digits => {
                let numbers = leaves(seed, true, &Value::is_number);
                let share = room.checked_div(numbers.len())?;
                // Made as a text: a number of this length cannot be held as one.
                for (index, path) in numbers.iter().enumerate() {
                    *body.pointer_mut(path)? = format!("@{index}@").into();
                }
                let mut text = body.to_string();
                for index in 0..numbers.len() {
                    text = text.replace(&format!("\"@{index}@\""), &format!("{}{}", index + 1, "7".repeat(share)));
                }
                return Some(text.into_bytes());
            }
            Shape::LongNames => {
                let object = body.as_object_mut()?;
                let name = |n: usize| format!("{n}{}", "n".repeat(room / 8));
                object.extend((0..8).map(|n| (name(n), json!(n))));
            }
        }
        Some(body.to_string().into_bytes())
    }
}

/// A form of about `bytes` bytes: its last value is long, or it has more fields.
pub fn grow_form(seed: &str, bytes: usize, long: bool) -> Vec<u8> {
    let mut form = seed.trim_end().to_owned();
    if long {
        form.push_str(&"word+%26+".repeat(bytes.saturating_sub(form.len()) / 9));
    } else {
        let mut n = 0;
        while form.len() < bytes {
            form.push_str(&format!("&f{n}=value+{n}"));
            n += 1;
        }
    }
    form.into_bytes()
}

/// Its length is one that base64 has, so that a text in that place is decoded whatever its size.
fn words(bytes: usize) -> String {
    let bytes = bytes / 4 * 4;
    let mut words = "the disk of db-1 is 97 % full, see https://wiki.example/disk. ".repeat(bytes / 62 + 1);
    words.truncate(bytes);
    words
}

/// The JSON pointers of the values that `wanted` accepts; inside lists too, if `inside`.
fn leaves(value: &Value, inside: bool, wanted: &dyn Fn(&Value) -> bool) -> Vec<String> {
    fn walk(value: &Value, path: &str, inside: bool, wanted: &dyn Fn(&Value) -> bool, found: &mut Vec<String>) {
        if wanted(value) {
            found.push(path.to_owned());
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    walk(member, &format!("{path}/{name}"), inside, wanted, found);
                }
            }
            Value::Array(items) if inside => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &format!("{path}/{index}"), inside, wanted, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", inside, wanted, &mut found);
    found
}

/// The pointer of the longest text.
fn longest(seed: &Value, inside: bool) -> Option<String> {
    let texts = leaves(seed, inside, &Value::is_string);
    texts.into_iter().max_by_key(|path| seed.pointer(path).and_then(Value::as_str).map(str::len))
}

/// Repeats the items of the outermost list of objects until they have about `unit` bytes, and all that as many times.
fn repeat(body: &mut Value, unit: usize, times: usize, distinct: bool) -> Option<()> {
    let lists: Vec<String> = leaves(body, true, &Value::is_array);
    let full = |path: &&String| {
        let items = body.pointer(path).and_then(Value::as_array);
        items.is_some_and(|items| items.iter().any(Value::is_object))
    };
    // The outermost list, so that each repetition has the lists inside.
    let path = lists.iter().find(full)?.clone();
    let items = body.pointer(&path)?.as_array()?.clone();
    let size = Value::from(items.clone()).to_string().len().max(1);
    let times = (unit / size).max(1) * times;
    let list = body.pointer_mut(&path)?.as_array_mut()?;
    for n in 1..times {
        list.extend(items.iter().map(|item| if distinct { renamed(item, n, &ids(item)) } else { item.clone() }));
    }
    Some(())
}

/// The names of members that may identify an item.
fn ids(item: &Value) -> BTreeSet<String> {
    let words = ["id", "fingerprint", "name", "key", "host", "subject", "uid", "number", "instance"];
    let names = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
    let all = leaves(item, true, &Value::is_object);
    let all = all.iter().filter_map(|path| item.pointer(path)?.as_object()).flat_map(names);
    all.filter(|name| words.iter().any(|word| name.to_ascii_lowercase().ends_with(word))).collect()
}

/// A copy of an item with other ids.
fn renamed(item: &Value, n: usize, ids: &BTreeSet<String>) -> Value {
    match item {
        Value::Object(members) => {
            let one = |(name, value): (&String, &Value)| {
                let value = match value {
                    Value::String(text) if ids.contains(name) => format!("{text}{n}").into(),
                    Value::Number(number) if ids.contains(name) => {
                        number.as_u64().map_or_else(|| value.clone(), |number| (number.wrapping_add(n as u64)).into())
                    }
                    value => renamed(value, n, ids),
                };
                (name.clone(), value)
            };
            Value::Object(members.iter().map(one).collect())
        }
        Value::Array(items) => items.iter().map(|item| renamed(item, n, ids)).collect(),
        value => value.clone(),
    }
}
