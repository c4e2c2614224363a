//! Reads `python/scenarios/golden.json`, what CPython printed.
//!
//! Only as much JSON as that file uses: objects, arrays, strings. Its shape is checked in passing.

use std::str::Chars;

/// How much of the scheduler a scenario's trace depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Nothing: the same under every interleaving.
    Parallel,
    /// Statements must not be torn apart.
    Serial,
    /// FIFO mode.
    Fifo,
}

/// A scenario as recorded.
pub struct Recorded {
    pub id: String,
    pub title: String,
    pub order: Order,
    pub trace: Vec<String>,
}

enum Json {
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// All scenarios, in the order of the file.
pub fn read(text: &str) -> Vec<Recorded> {
    let Json::Object(scenarios) = Parser { rest: text.chars() }.value() else {
        panic!("golden.json is no object");
    };
    scenarios.into_iter().map(|(id, entry)| recorded(id, entry)).collect()
}

fn recorded(id: String, entry: Json) -> Recorded {
    let Json::Object(fields) = entry else { panic!("{id} is no object") };
    let (mut title, mut order, mut trace) = (String::new(), None, Vec::new());
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("title", Json::Text(text)) => title = text,
            ("order", Json::Text(text)) => {
                order = Some(match text.as_str() {
                    "parallel" => Order::Parallel,
                    "serial" => Order::Serial,
                    "fifo" => Order::Fifo,
                    other => panic!("{id}: order {other}; race.py has not run"),
                });
            }
            ("trace", Json::List(lines)) => trace = lines.into_iter().map(text).collect(),
            ("topic" | "why", Json::Text(_)) => {}
            (other, _) => panic!("{id}: unexpected field {other}"),
        }
    }
    let Some(order) = order else { panic!("{id} has no order") };
    Recorded { id, title, order, trace }
}

fn text(value: Json) -> String {
    match value {
        Json::Text(text) => text,
        _ => panic!("a line of a trace is no string"),
    }
}

struct Parser<'a> {
    rest: Chars<'a>,
}

impl Parser<'_> {
    fn value(&mut self) -> Json {
        match self.sign() {
            '"' => Json::Text(self.string()),
            '[' => Json::List(self.items(']', Self::value)),
            '{' => Json::Object(self.items('}', |parser| {
                assert_eq!(parser.sign(), '"', "a name is expected");
                let name = parser.string();
                assert_eq!(parser.sign(), ':', "a colon is expected after {name}");
                (name, parser.value())
            })),
            other => panic!("unexpected {other} in golden.json"),
        }
    }

    /// The next character that is no space.
    fn sign(&mut self) -> char {
        let Some(sign) = self.rest.find(|c| !c.is_whitespace()) else {
            panic!("golden.json ends early")
        };
        sign
    }

    fn items<T>(&mut self, end: char, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut items = Vec::new();
        let before = self.rest.clone();
        if self.sign() == end {
            return items;
        }
        self.rest = before;
        loop {
            items.push(item(self));
            match self.sign() {
                ',' => {}
                sign if sign == end => return items,
                other => panic!("unexpected {other} in golden.json"),
            }
        }
    }

    /// The rest of a string whose quote was read.
    fn string(&mut self) -> String {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('"') => return text,
                Some('\\') => match self.rest.next() {
                    Some(plain @ ('"' | '\\' | '/')) => text.push(plain),
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    other => panic!("unexpected escape {other:?} in golden.json"),
                },
                Some(plain) => text.push(plain),
                None => panic!("golden.json ends in a string"),
            }
        }
    }
}
