//! What the lines of an input are: envelopes, or something that is made into envelopes.

use chrono::{DateTime, Utc};
use envelog::interop::cloudevents::CloudEvents;
use envelog::interop::segment::{Calls, Segment};
use envelog::{Envelope, Result};
use uuid::Uuid;

use super::ImportArgs;
use crate::args::{Cli, FormatChoice};
use crate::failure::{Failure, Outcome};

/// Numbers of the forms, as cursors keep them.
pub(super) const ENVELOPES: u8 = 0;
const SEGMENT: u8 = 1;
const CLOUD_EVENTS: u8 = 2;
pub(super) const FORM_MAX: u8 = CLOUD_EVENTS;

/// The module of what says nothing of one.
const MODULE: &str = "analytics";

/// What a line is.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Envelope,
    /// A call, or a batch of them, and when they were received where the calls do not say so.
    Segment(Segment, Option<DateTime<Utc>>),
    CloudEvent(CloudEvents),
}

impl Form {
    /// The form that the command line names, with what it needs.
    pub(super) fn of(cli: &Cli, arguments: &ImportArgs) -> Outcome<Self> {
        let home = arguments.org.zip(cli.project);
        if arguments.received_at.is_some() && cli.format != FormatChoice::Segment {
            let reason = "only a Segment call has such a time";
            return Err(Failure::Usage(format!("--received-at has no effect here: {reason}")));
        }
        match (cli.format, home) {
            (FormatChoice::Segment, Some((org, project))) => {
                Ok(Self::Segment(Segment::new(org, project), arguments.received_at))
            }
            (FormatChoice::Segment, None) => {
                let message =
                    "name where the calls belong with --org UUID and --project UUID: they do not say";
                Err(Failure::Usage(message.to_owned()))
            }
            (FormatChoice::CloudEvents, Some((org, project))) => {
                Ok(Self::CloudEvent(CloudEvents::new().others(org, project, MODULE)))
            }
            (FormatChoice::CloudEvents, None) if arguments.org.is_some() || cli.project.is_some() => {
                let message = "--org UUID and --project UUID belong together: name both, or none";
                Err(Failure::Usage(message.to_owned()))
            }
            (FormatChoice::CloudEvents, None) => Ok(Self::CloudEvent(CloudEvents::new())),
            _ => Self::envelopes(cli, arguments.org),
        }
    }

    fn envelopes(cli: &Cli, org: Option<Uuid>) -> Outcome<Self> {
        const REASON: &str = "every line names its own";
        cli.without_project(REASON)?;
        match org {
            Some(_) => Err(Failure::Usage(format!("--org has no effect here: {REASON}"))),
            None => Ok(Self::Envelope),
        }
    }

    pub(super) const fn number(&self) -> u8 {
        match self {
            Self::Envelope => ENVELOPES,
            Self::Segment(..) => SEGMENT,
            Self::CloudEvent(_) => CLOUD_EVENTS,
        }
    }

    /// How a line of it is called.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Envelope => "an envelope",
            Self::Segment(..) => "a call that can be stored",
            Self::CloudEvent(_) => "an event that can be stored",
        }
    }

    /// What may have been meant where no line was of this form, from how the first one looks.
    pub(super) fn hint(&self, first_line: &[u8]) -> &'static str {
        let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(1));
        match self {
            Self::Envelope
                if Segment::new(org, project)
                    .read_all(first_line, None)
                    .is_ok_and(|mut calls| calls.next().is_some_and(|call| call.is_ok())) =>
            {
                "; for calls of Segment's libraries there is --format segment --org UUID --project UUID"
            }
            Self::Envelope if CloudEvents::new().others(org, project, MODULE).read(first_line).is_ok() => {
                "; for CloudEvents there is --format cloudevents --org UUID --project UUID"
            }
            _ => "",
        }
    }

    /// What a line has; `None` where it is an envelope already.
    ///
    /// # Errors
    ///
    /// Those of a line of which nothing can be read.
    pub(super) fn read(&self, line: &[u8]) -> Result<Option<Read>> {
        match self {
            Self::Envelope => Ok(None),
            Self::Segment(segment, received_at) => {
                Ok(Some(Read::Calls(segment.read_all(line, *received_at)?)))
            }
            Self::CloudEvent(events) => Ok(Some(Read::Event(Some(Box::new(events.read(line)?))))),
        }
    }
}

/// The envelopes of a line, one after the other.
pub(super) enum Read {
    Calls(Calls),
    Event(Option<Box<Envelope>>),
}

impl Read {
    /// Envelopes that are left, and errors in their places.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Calls(calls) => calls.len(),
            Self::Event(event) => usize::from(event.is_some()),
        }
    }
}

impl Iterator for Read {
    type Item = Result<Envelope>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Calls(calls) => calls.next(),
            Self::Event(event) => event.take().map(|event| Ok(*event)),
        }
    }
}
