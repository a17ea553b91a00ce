//! What an operation is told: attributes and inputs. Both know which of them were read, so that nothing is passed over in silence.

use lethe_autograd::Var;
use lethe_tensor::{DType, Device, Tensor};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Something that the runner does not know.
pub struct Unknown(pub String);

/// The results of an operation, by name; or what of it is not known.
pub type Answer = Result<Vec<(String, Var)>, Unknown>;

/// The results of a family's operation; `None` if it is another family's.
pub type Found = Result<Option<Vec<(String, Var)>>, Unknown>;

/// A result named `name`.
pub fn one(name: &str, value: Var) -> Vec<(String, Var)> {
    vec![(name.into(), value)]
}

/// Attributes, possibly those within an attribute. `null` is as good as absent.
pub struct Attrs<'a> {
    map: &'a Map<String, Value>,
    prefix: String,
    read: Rc<RefCell<BTreeSet<String>>>,
}

impl<'a> Attrs<'a> {
    /// The attributes of a case.
    pub fn new(map: &'a Map<String, Value>) -> Attrs<'a> {
        Attrs { map, prefix: String::new(), read: Rc::default() }
    }

    /// A value as JSON, if it is there.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(format!("{}{name}", self.prefix));
        self.map.get(name).filter(|v| !v.is_null())
    }

    /// A value that `convert` understands, if it is there.
    pub fn optional<T>(&self, name: &str, convert: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, Unknown> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let converted = convert(value).ok_or_else(|| Unknown(format!("attribute {}{name} = {value}", self.prefix)))?;
        Ok(Some(converted))
    }

    fn needed<T>(&self, name: &str, value: Option<T>) -> Result<T, Unknown> {
        value.ok_or_else(|| Unknown(format!("no attribute {}{name}", self.prefix)))
    }

    /// A number.
    pub fn f64(&self, name: &str) -> Result<f64, Unknown> {
        self.needed(name, self.f64_maybe(name)?)
    }

    /// A number, if it is there.
    pub fn f64_maybe(&self, name: &str) -> Result<Option<f64>, Unknown> {
        self.optional(name, Value::as_f64)
    }

    /// A natural number.
    pub fn usize(&self, name: &str) -> Result<usize, Unknown> {
        self.needed(name, self.optional(name, |v| v.as_u64().map(|n| n as usize))?)
    }

    /// An axis, which may be counted from the end.
    pub fn axis(&self, name: &str) -> Result<isize, Unknown> {
        self.needed(name, self.optional(name, |v| v.as_i64().map(|n| n as isize))?)
    }

    /// A flag; absent is false.
    pub fn flag(&self, name: &str) -> Result<bool, Unknown> {
        Ok(self.optional(name, Value::as_bool)?.unwrap_or(false))
    }

    /// A word.
    pub fn str(&self, name: &str) -> Result<&'a str, Unknown> {
        self.needed(name, self.optional(name, Value::as_str)?)
    }

    /// Natural numbers.
    pub fn usizes(&self, name: &str) -> Result<Vec<usize>, Unknown> {
        self.needed(name, self.optional(name, usizes)?)
    }

    /// A natural number for each of N axes.
    pub fn each<const N: usize>(&self, name: &str) -> Result<[usize; N], Unknown> {
        let all = |v| usizes(v).and_then(|all| all.try_into().ok());
        self.needed(name, self.optional(name, all)?)
    }

    /// Pairs of natural numbers.
    pub fn pairs(&self, name: &str) -> Result<Vec<[usize; 2]>, Unknown> {
        let pair = |v: &Value| usizes(v)?.try_into().ok();
        self.needed(name, self.optional(name, |v| v.as_array()?.iter().map(pair).collect())?)
    }

    /// Axes; none named (`null`, absent) means all of them.
    pub fn axes(&self, name: &str) -> Result<Vec<isize>, Unknown> {
        let integers = |v: &Value| v.as_array()?.iter().map(|n| Some(n.as_i64()? as isize)).collect::<Option<Vec<_>>>();
        let named = self.optional(name, |v| integers(v).filter(|axes| !axes.is_empty()))?;
        Ok(named.unwrap_or_default())
    }

    /// The attributes within an attribute, if it is there.
    pub fn within(&self, name: &str) -> Result<Option<Attrs<'a>>, Unknown> {
        let map = self.optional(name, Value::as_object)?;
        let prefix = format!("{}{name}.", self.prefix);
        Ok(map.map(|map| Attrs { map, prefix, read: self.read.clone() }))
    }

    /// The same where it must be there.
    pub fn object(&self, name: &str) -> Result<Attrs<'a>, Unknown> {
        self.needed(name, self.within(name)?)
    }

    /// The first attribute that nobody asked for.
    fn unread(&self) -> Option<String> {
        fn search(map: &Map<String, Value>, prefix: &str, read: &BTreeSet<String>) -> Option<String> {
            map.iter().find_map(|(name, value)| {
                let path = format!("{prefix}{name}");
                match value {
                    _ if !read.contains(&path) => Some(path),
                    Value::Object(inner) => search(inner, &format!("{path}."), read),
                    _ => None,
                }
            })
        }
        search(self.map, &self.prefix, &self.read.borrow())
    }
}

fn usizes(v: &Value) -> Option<Vec<usize>> {
    v.as_array()?.iter().map(|n| n.as_u64().map(|n| n as usize)).collect()
}

/// An operation, its attributes and its inputs.
pub struct Case<'a> {
    /// The operation.
    pub op: &'a str,
    /// Its attributes.
    pub attrs: Attrs<'a>,
    /// Where it runs.
    pub device: &'a Device,
    /// What it computes in.
    pub dtype: DType,
    inputs: Vec<(String, Var)>,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Case<'a> {
    /// A case of which nothing has been read.
    pub fn new(
        op: &'a str,
        attrs: Attrs<'a>,
        inputs: Vec<(String, Var)>,
        device: &'a Device,
        dtype: DType,
    ) -> Case<'a> {
        Case { op, attrs, device, dtype, inputs, read: RefCell::default() }
    }

    /// An input, if it is there.
    pub fn maybe(&self, arg: &str) -> Option<Var> {
        self.read.borrow_mut().insert(arg.into());
        self.inputs.iter().find(|(name, _)| name == arg).map(|(_, v)| v.clone())
    }

    /// An input.
    pub fn var(&self, arg: &str) -> Result<Var, Unknown> {
        self.maybe(arg).ok_or_else(|| Unknown(format!("no input {arg}")))
    }

    /// The value of an input.
    pub fn tensor(&self, arg: &str) -> Result<Tensor, Unknown> {
        Ok(self.var(arg)?.tensor().clone())
    }

    /// The inputs whose names begin with `prefix`, under the rest of their names, in order.
    pub fn family(&self, prefix: &str) -> Vec<(String, Var)> {
        let members = self.inputs.iter().filter_map(|(name, v)| Some((name.strip_prefix(prefix)?.to_owned(), v)));
        let members: Vec<_> = members.map(|(rest, v)| (rest, v.clone())).collect();
        self.read.borrow_mut().extend(members.iter().map(|(rest, _)| format!("{prefix}{rest}")));
        members
    }

    /// An unknown attribute value.
    pub fn unknown<T>(&self, what: impl std::fmt::Display) -> Result<T, Unknown> {
        Err(Unknown(format!("{}: {what}", self.op)))
    }

    /// That every attribute and input was asked for.
    pub fn all_read(&self) -> Result<(), Unknown> {
        let read = self.read.borrow();
        let input = self.inputs.iter().find(|(name, _)| !read.contains(name));
        match (self.attrs.unread(), input) {
            (Some(path), _) => self.unknown(format!("attribute {path}")),
            (None, Some((name, _))) => self.unknown(format!("input {name}")),
            (None, None) => Ok(()),
        }
    }
}
