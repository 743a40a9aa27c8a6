//! Texts that come from outside, for people to look at.

use std::borrow::Cow;

/// The text, or its first `most` characters and `…`: a payload's field may be as long as the payload.
pub fn clipped(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Whether a letter would do something to a terminal, or to the order of the text around it, instead of being seen.
pub fn is_unseen(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The known name that is most like the one found, if any is.
pub fn similar<'n>(found: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let likeness = |name: &&'n str| strsim::jaro_winkler(found, name);
    known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|name| likeness(name) > 0.8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_clipped_between_characters() {
        assert_eq!(clipped("paid", 4), "paid");
        assert_eq!(clipped("مدفوع", 3), "مدف…");
        assert_eq!(clipped("", 0), "");
    }

    #[test]
    fn what_moves_a_terminal_or_turns_the_text_around_is_unseen() {
        assert!(['\n', '\u{1b}', '\u{9b}', '\u{85}', '\u{202e}', '\u{2066}'].into_iter().all(is_unseen));
        assert!(['a', ' ', 'ع', '€', '…'].into_iter().all(|letter| !is_unseen(letter)));
    }

    #[test]
    fn a_name_is_suggested_only_where_it_is_alike() {
        assert_eq!(similar("payment.payed", ["payment.paid", "operation.void"]), Some("payment.paid"));
        assert_eq!(similar("zzz", ["payment.paid", "operation.void"]), None);
    }
}
