//! The budget of what is kept back: whoever can fill quarantine must not fill the disk. Beyond the budget an event is kept
//! in part; it can be discarded, and not released. What is accepted is never looked at here.

use super::{
    append::{columns, indexed},
    rows,
    work::Work,
};
use crate::domain::event::{Event, Fields, Flags};
use rusqlite::{Result, ToSql, params_from_iter};
use std::borrow::Cow;

/// Of a body so much is kept beyond the budget.
const PART: usize = 4_096;

/// A text in the row of an event that is longer than this is left out beyond the budget.
const TEXT: usize = 256;

/// About what an event takes on the disk beside its own bytes.
const ROWS: usize = 512;

/// What is kept of an event.
pub(super) struct Portion<'a> {
    pub(super) body: &'a [u8],
    pub(super) fields: Cow<'a, Fields>,
    pub(super) content_type: Option<&'a str>,
    /// Those of the event, and [`Flags::TRUNCATED`] where something is missing.
    pub(super) flags: Flags,
}

impl<'a> Portion<'a> {
    /// All of it.
    pub(super) fn whole(event: &'a Event) -> Self {
        let (body, fields) = (event.payload.bytes(), Cow::Borrowed(&event.fields));
        Self { body, fields, content_type: event.content_type.as_deref(), flags: event.flags }
    }

    /// As much as is kept beyond the budget; a small event is that much.
    fn part(event: &'a Event) -> Self {
        let whole = Self::whole(event);
        let body = &whole.body[..whole.body.len().min(PART)];
        let is_short = |text: &str| text.len() <= TEXT;
        let short = |text: &Option<Box<str>>| text.clone().filter(|text| is_short(text));
        let Fields {
            state,
            result,
            operation,
            amount,
            currency_code,
            reference_number,
            session_id,
            order_no,
            gateway_account,
            gateway_name,
            is_sandbox,
        } = &event.fields;
        let fields = Fields {
            state: short(state),
            result: short(result),
            operation: short(operation),
            amount: short(amount),
            currency_code: short(currency_code),
            reference_number: short(reference_number),
            session_id: short(session_id),
            order_no: short(order_no),
            gateway_account: short(gateway_account),
            gateway_name: short(gateway_name),
            is_sandbox: short(is_sandbox),
        };
        let content_type = whole.content_type.filter(|text| is_short(text));
        if body.len() == whole.body.len() && fields == event.fields && content_type == whole.content_type {
            return whole;
        }
        Self { body, fields: Cow::Owned(fields), content_type, flags: whole.flags.with(Flags::TRUNCATED) }
    }

    /// What it counts against the budget, in bytes.
    pub(super) fn weight(&self) -> i64 {
        let texts: usize = self.fields.texts().map(str::len).sum();
        (ROWS + self.body.len() + texts + self.content_type.map_or(0, str::len)) as i64
    }
}

/// Sets all that may be missing of a row; in the order of the fields.
const COMPLETE: &str = "UPDATE event SET flags = flags & ~?2, weight = ?3, content_type = ?4, state = ?5, result = ?6, operation = ?7,
    amount = ?8, currency_code = ?9, reference_number = ?10, session_id = ?11, order_no = ?12, gateway_account = ?13, gateway_name = ?14,
    is_sandbox = ?15 WHERE seq = ?1";

impl Work<'_> {
    /// What is kept of an event in quarantine, which is counted as kept from now on.
    pub(super) fn keep_back<'e>(&mut self, event: &'e Event) -> Portion<'e> {
        let whole = Portion::whole(event);
        let portion = if self.has_room(whole.weight()) { whole } else { Portion::part(event) };
        self.draft.state.quarantine_bytes += portion.weight();
        if portion.flags.contains(Flags::TRUNCATED) {
            self.draft.truncated += 1;
        }
        portion
    }

    /// An event leaves quarantine, or is removed in it.
    pub(super) fn no_longer_kept_back(&mut self, weight: i64) {
        self.draft.state.quarantine_bytes = (self.draft.state.quarantine_bytes - weight).max(0);
    }

    /// Keeps the rest of an event that was kept in part, as far as there is room now that its bytes came again.
    pub(super) fn complete(&mut self, seq: i64, event: &Event, weight: i64) -> Result<()> {
        let whole = Portion::whole(event);
        let more = whole.weight() - weight;
        if !self.has_room(more) {
            return Ok(());
        }
        let fields = &event.fields;
        let texts = columns(fields);
        let before: [&dyn ToSql; 4] = [&seq, &Flags::TRUNCATED.bits(), &whole.weight(), &rows::ContentType(whole.content_type)];
        let row = before.into_iter().chain(texts.iter().map(|text| text as &dyn ToSql));
        self.connection.prepare_cached(COMPLETE)?.execute(params_from_iter(row))?;
        let sql = "UPDATE body SET body = ?2 WHERE seq = ?1";
        self.connection.prepare_cached(sql)?.execute((seq, rows::pack_body(whole.body)))?;
        // Written here and now, since the index that is written behind may have passed this event.
        let mut insert = self.connection.prepare_cached("INSERT OR IGNORE INTO field_index VALUES (?1, ?2)")?;
        for value in indexed(fields) {
            insert.execute((value, seq))?;
        }
        self.draft.state.quarantine_bytes += more;
        Ok(())
    }

    fn has_room(&self, more: i64) -> bool {
        self.draft.state.quarantine_bytes.saturating_add(more) <= self.shared.quarantine_budget
    }
}
