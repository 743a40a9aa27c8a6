//! Sets of HTTP status codes as the rules file writes them: `410`, `4xx`, `200-204`.

/// A set of status codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

/// Why a text is no set of status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a status code (`410`), class (`4xx`) or range (`200-204`)")]
pub struct StatusSetError;

impl StatusSet {
    /// All 2xx: what counts as success unless said otherwise.
    pub fn success() -> Self {
        Self(vec![(200, 299)])
    }

    /// Only 410 Gone: what a destination is given up on unless said otherwise.
    pub fn gone() -> Self {
        Self(vec![(410, 410)])
    }

    /// From items, each a code, a class or a range.
    pub fn parse<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, StatusSetError> {
        items.into_iter().map(item).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the code is one of them.
    pub fn contains(&self, code: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&code))
    }
}

fn item(text: &str) -> Result<(u16, u16), StatusSetError> {
    let code = |text: &str| {
        let valid = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|code| valid && (100..=599).contains(code)).ok_or(StatusSetError)
    };
    if let Some((low, high)) = text.split_once('-') {
        let (low, high) = (code(low)?, code(high)?);
        return if low <= high { Ok((low, high)) } else { Err(StatusSetError) };
    }
    match text.as_bytes() {
        [class @ b'1'..=b'5', b'x', b'x'] => {
            let low = u16::from(class - b'0') * 100;
            Ok((low, low + 99))
        }
        _ => code(text).map(|code| (code, code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_classes_and_ranges() {
        let set = StatusSet::parse(["410", "5xx", "200-204"]).expect("three valid items");
        for (code, is_in) in [(410, true), (411, false), (500, true), (599, true), (199, false), (200, true), (204, true), (205, false)] {
            assert_eq!(set.contains(code), is_in, "{code}");
        }
        for bad in ["", "4x", "6xx", "099", "600", "204-200", "2XX", "+20", "200-"] {
            assert_eq!(StatusSet::parse([bad]), Err(StatusSetError), "{bad}");
        }
    }
}
