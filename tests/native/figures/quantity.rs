//! Quantities: a number of things, a time or a size, so that `5 minutes` is the same as a constant of 300,000 ms.

use std::fmt;
use std::time::Duration;

/// What a number measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bytes,
    Count,
    Percent,
    Time,
}

/// A unit: the words for it, the one that the ledger uses, what it measures, and how many milliseconds or bytes it has.
struct Unit {
    words: &'static [&'static str],
    short: &'static str,
    kind: Kind,
    factor: u64,
}

const fn unit(words: &'static [&'static str], short: &'static str, kind: Kind, factor: u64) -> Unit {
    Unit { words, short, kind, factor }
}

/// The units. The words of a time are in the singular first.
const UNITS: &[Unit] = &[
    unit(&["millisecond", "milliseconds", "ms"], "ms", Kind::Time, 1),
    unit(&["second", "seconds", "s"], "s", Kind::Time, 1000),
    unit(&["minute", "minutes", "min"], "min", Kind::Time, 60_000),
    unit(&["hour", "hours", "h"], "h", Kind::Time, 3_600_000),
    unit(&["day", "days", "d"], "d", Kind::Time, 86_400_000),
    unit(&["week", "weeks"], "weeks", Kind::Time, 7 * 86_400_000),
    unit(&["byte", "bytes", "B"], "B", Kind::Bytes, 1),
    unit(&["KB", "kB", "kilobytes"], "KB", Kind::Bytes, 1000),
    unit(&["KiB"], "KiB", Kind::Bytes, 1 << 10),
    unit(&["MB", "megabytes"], "MB", Kind::Bytes, 1_000_000),
    unit(&["MiB"], "MiB", Kind::Bytes, 1 << 20),
    unit(&["GB", "gigabytes"], "GB", Kind::Bytes, 1_000_000_000),
    unit(&["GiB"], "GiB", Kind::Bytes, 1 << 30),
    unit(&["%", "percent"], "%", Kind::Percent, 1),
    unit(&["times", "x", "×"], "times", Kind::Count, 1),
];

/// The number of a unit in [`UNITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnitId(usize);

impl UnitId {
    /// The unit of this name.
    pub(super) fn of(word: &str) -> Option<UnitId> {
        UNITS.iter().position(|unit| unit.words.contains(&word)).map(UnitId)
    }

    /// The unit of time of this name in the singular.
    pub(super) fn of_one(word: &str) -> Option<UnitId> {
        let is_one = |unit: &Unit| unit.kind == Kind::Time && unit.words[0] == word;
        UNITS.iter().position(is_one).map(UnitId)
    }

    pub(super) fn is_time(self) -> bool {
        UNITS[self.0].kind == Kind::Time
    }
}

/// A number as a page writes it: with its unit, and with `per` for a rate. Its text is the ledger's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Written {
    pub(super) thousandths: u64,
    pub(super) unit: Option<UnitId>,
    pub(super) per: Option<UnitId>,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.thousandths))?;
        if let Some(UnitId(unit)) = self.unit {
            write!(f, " {}", UNITS[unit].short)?;
        }
        self.per.map_or(Ok(()), |UnitId(unit)| write!(f, "/{}", UNITS[unit].short))
    }
}

/// A number of thousandths as a decimal number.
fn decimal(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What the code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quantity {
    kind: Kind,
    /// Thousandths of a thing, a byte or a millisecond.
    thousandths: u64,
    /// The time of a rate, in milliseconds.
    per: Option<u64>,
}

impl Quantity {
    fn new(kind: Kind, number: u64) -> Quantity {
        Quantity { kind, thousandths: number * 1000, per: None }
    }

    pub(super) fn bytes(bytes: usize) -> Quantity {
        Quantity::new(Kind::Bytes, bytes as u64)
    }

    pub(super) fn count(number: impl TryInto<u64>) -> Quantity {
        Quantity::new(Kind::Count, number.try_into().unwrap_or_else(|_| panic!("a number that is too large")))
    }

    pub(super) fn ms(ms: u64) -> Quantity {
        Quantity::new(Kind::Time, ms)
    }

    pub(super) fn secs(secs: u64) -> Quantity {
        Quantity::ms(secs * 1000)
    }

    pub(super) fn time(time: Duration) -> Quantity {
        Quantity::ms(u64::try_from(time.as_millis()).expect("a short time"))
    }

    /// One divided by this.
    pub(super) fn share(parts: impl TryInto<u64>) -> Quantity {
        let parts: u64 = parts.try_into().unwrap_or_else(|_| panic!("a number that is too large"));
        Quantity { kind: Kind::Count, thousandths: 1000 / parts, per: None }
    }

    /// The rest of the whole.
    pub(super) fn rest(self) -> Quantity {
        Quantity { thousandths: 1000 - self.thousandths, ..self }
    }

    /// So many in this time.
    pub(super) fn per(self, ms: u64) -> Quantity {
        Quantity { per: Some(ms), ..self }
    }

    /// Whether a page writes this quantity. A number without a unit may count bytes: a secret has as many characters.
    pub(super) fn is(self, written: Written) -> bool {
        let (kind, factor) = written.unit.map_or((Kind::Count, 1), |UnitId(id)| (UNITS[id].kind, UNITS[id].factor));
        let fits = kind == self.kind || written.unit.is_none() && self.kind == Kind::Bytes;
        fits && written.thousandths * factor == self.thousandths
            && written.per.map(|UnitId(id)| UNITS[id].factor) == self.per
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.kind {
            Kind::Bytes => " bytes",
            Kind::Count => "",
            Kind::Percent => " %",
            Kind::Time => " ms",
        };
        write!(f, "{}{unit}", decimal(self.thousandths))?;
        self.per.map_or(Ok(()), |ms| write!(f, " in {ms} ms"))
    }
}
