//! The examples below the help of each command.
//!
//! A test runs each line that begins with `envelog`, in the order of the commands, against the store that
//! `envelog demo --keep ./data` leaves and the files `events.ndjson` and `events.ndjson.gz` beside it.

pub(crate) const TOP: &str = "\
Examples:
  envelog demo
  envelog --store ./data import events.ndjson
  envelog --store ./data count --by type
  envelog --store ./data timeline user_001425 --limit 10

With ENVELOG_STORE=./data in the environment --store may be left out, as in the examples of each command, \
which envelog help COMMAND shows.";

pub(crate) const EXPORT: &str = "\
Examples:
  envelog export > all.ndjson
  envelog export --type order.placed --since 2024-06-01 --until 2024-07-01
  envelog export --user user_001425 --meta
  envelog export -o orders.ndjson --type-prefix order. --where 'amount>=10000'
  envelog export | envelog --store ./copy import -";

pub(crate) const COUNT: &str = "\
Examples:
  envelog count
  envelog count --by type --format markdown
  envelog count --users --by month --type order.placed
  envelog count --where 'properties.amount>=10000' --where currency=EUR
  envelog count --since 7d";

pub(crate) const SUM: &str = "\
Examples:
  envelog sum amount --type order.placed
  envelog sum amount --type order.placed --by month --format csv
  envelog sum properties.amount --type order.placed --user user_001425";

pub(crate) const EVENTS: &str = "\
Examples:
  envelog events --limit 20 --format table
  envelog events --newest --limit 5 --type-prefix cart.
  envelog events --since 2024-06-30T22:00:00Z --where 'price>=40' --format json
  envelog events --type order.placed --format csv > orders.csv";

pub(crate) const TIMELINE: &str = "\
Examples:
  envelog timeline user_001425 --limit 10 --format table
  envelog timeline user_001425 --oldest --type order.placed
  envelog timeline d_2 --device --since 2024-01-01";

pub(crate) const TAIL: &str = "\
Examples:
  envelog tail
  envelog tail -n 3 --type order.placed --format table
  envelog tail -n 3 -f < events.ndjson";

pub(crate) const TRAITS: &str = "\
Examples:
  envelog traits
  envelog traits --format table";

pub(crate) const STATS: &str = "\
Examples:
  envelog stats
  envelog stats --types --format table
  envelog stats --segments --format csv";

pub(crate) const DEMO: &str = "\
Examples:
  envelog demo
  envelog demo --keep ./shop
  envelog demo --format ndjson";
