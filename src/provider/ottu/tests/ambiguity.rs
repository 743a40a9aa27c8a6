//! All payloads that share one signed message.

use super::*;

/// All ways to read a message as names in order, each with a text that is not empty.
fn parses<'a>(message: &'a str, names: &[&'static str]) -> Vec<Vec<(&'static str, &'a str)>> {
    let mut all = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let Some(rest) = message.strip_prefix(name).filter(|rest| !rest.is_empty()) else { continue };
        all.push(vec![(*name, rest)]);
        let cuts = rest.char_indices().map(|(at, _)| at).skip(1);
        for cut in cuts.filter(|cut| names[place + 1..].iter().any(|next| rest[*cut..].starts_with(next))) {
            for mut parse in parses(&rest[cut..], &names[place + 1..]) {
                parse.insert(0, (*name, &rest[..cut]));
                all.push(parse);
            }
        }
    }
    all
}

fn genuine() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = prop_oneof!["[A-Z][a-z]{1,8}", Just("محمد".to_owned()), "[a-z]{1,5}_[a-z]{1,5}"];
    let line = "[A-Z0-9][A-Za-z0-9 ,\n]{0,12}";
    let payment = (
        (
            "[0-9]{1,4}\\.[0-9]{2,3}",
            proptest::option::of(line),
            proptest::option::of("[A-Z][a-z]{2,8}"),
            proptest::option::of("[a-z]{1,6}@example\\.com"),
        ),
        (proptest::option::of(name), proptest::option::of("[0-9]{7,8}"), "[a-z-]{3,12}", proptest::option::of("[A-Za-z0-9]{4,6}")),
        (
            "staging[A-Z0-9]{4,6}",
            proptest::sample::select(vec!["success", "failed", "error"]),
            proptest::sample::select(vec!["paid", "failed", "attempted"]),
        ),
    );
    payment.prop_map(|((amount, line, area, email), (first_name, phone, account, order), (reference, result, state))| {
        let fields = [
            ("amount", Some(amount)),
            ("currency_code", Some("KWD".to_owned())),
            ("customer_address_line1", line),
            ("customer_address_state", area),
            ("customer_email", email),
            ("customer_first_name", first_name),
            ("customer_phone", phone),
            ("gateway_account", Some(account)),
            ("gateway_name", Some("mpgs".to_owned())),
            ("order_no", order),
            ("reference_number", Some(reference)),
            ("result", Some(result.to_owned())),
            ("state", Some(state.to_owned())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    })
}

/// Names, and what is left of one when its beginning or its end is cut off.
fn scrap() -> impl Strategy<Value = &'static str> {
    let cut = (proptest::sample::select(fields::NAMES.to_vec()), 0..3_usize, any::<proptest::sample::Index>());
    let cut = cut.prop_map(|(name, form, at)| match form {
        0 => name,
        1 => &name[..at.index(name.len())],
        _rest => &name[at.index(name.len())..],
    });
    prop_oneof![cut, proptest::sample::select(vec!["x", "5", "KWD", "paid"])].prop_filter("empty", |scrap| !scrap.is_empty())
}

/// What is accepted of all payloads with the signed message of this one, and how many there are.
fn accepted(genuine: &[(&'static str, String)]) -> (Vec<Vec<(&'static str, String)>>, usize) {
    let message: String = genuine.iter().flat_map(|(name, value)| [*name, value]).collect();
    let signature = Signature::of(message.as_bytes(), &Secret::new(KEY)).to_hex();
    let source = source(&[KEY], Unsigned::Reject);
    let parses = parses(&message, &fields::NAMES);
    let count = parses.len();
    let is_accepted = |parse: &Vec<(&str, &str)>| {
        let mut payload: serde_json::Map<_, _> = parse.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        payload.insert("signature".to_owned(), signature.clone().into());
        let event = source.open(&received(serde_json::to_vec(&payload).expect("a map of texts")));
        event.expect("the message is the same").verdict == Verdict::Accepted
    };
    let owned = |parse: Vec<(&'static str, &str)>| parse.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    (parses.into_iter().filter(is_accepted).map(owned).collect(), count)
}

/// `customer_address_state` ends with the name of another field, so that a cut is possible within it.
#[test]
fn a_name_that_ends_with_another_gives_no_second_reading() {
    let genuine = [
        ("amount", "1.000"),
        ("customer_address_line1", "12"),
        ("customer_address_state", "Hawalli"),
        ("reference_number", "R1"),
        ("result", "failed"),
        ("state", "failed"),
    ];
    let genuine = genuine.map(|(name, value)| (name, value.to_owned()));
    let (accepted, count) = accepted(&genuine);
    assert!(count > 1 << (genuine.len() - 1), "there are readings that no merging gives");
    assert_eq!(accepted, [genuine.to_vec()]);
}

/// Readings that the letter of the contract lets through: what a payer typed, in a message with few fields, becomes a field.
#[test]
fn no_reading_takes_a_field_out_of_what_a_payer_typed() {
    let hostile: [&[(&str, &str)]; 7] = [
        // `customer_address_state` ends with a name, and no field with an underscore follows.
        &[("customer_address_line1", "12"), ("customer_address_state", "paid")],
        &[("customer_address_line1", "12"), ("customer_address_state", "paid"), ("result", "failed"), ("state", "failed")],
        &[("customer_last_name", "customer_address_statepaid")],
        // What is behind it becomes a part of its value.
        &[("amount", "1.000"), ("customer_first_name", "statepaid"), ("result", "failed"), ("state", "failed")],
        &[("amount", "1.000"), ("customer_first_name", "Ali resultsuccess"), ("result", "failed"), ("state", "failed")],
        // The value begins with its own name.
        &[("customer_address_country", "KW gateway_name"), ("gateway_name", "mpgs")],
        &[("order_no", "1reference_number"), ("reference_number", "R1"), ("state", "failed")],
    ];
    for genuine in hostile {
        let genuine: Vec<_> = genuine.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let split = accepted(&genuine).0.into_iter().find(|reading| *reading != genuine);
        assert_eq!(split, None, "{genuine:?}");
    }
}

/// A value of parts that are made to be cut.
fn hostile() -> impl Strategy<Value = String> {
    let names = proptest::sample::select(fields::NAMES.to_vec()).prop_map(str::to_owned);
    let begin = Just("customer_address_".to_owned());
    let part = prop_oneof![2 => names, 1 => begin, 2 => "(paid|success|Ali|1| )"];
    proptest::collection::vec(part, 1..3).prop_map(|parts| parts.concat())
}

/// A few fields, those that a payer types among them.
fn half_typed() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let of_provider = |name| matches!(name, "amount" | "currency_code" | "result" | "state" | "reference_number" | "gateway_name");
    let fields = proptest::sample::subsequence(fields::NAMES.to_vec(), 1..5);
    fields.prop_flat_map(move |names| {
        let value = move |name: &'static str| match name {
            "amount" => Just("1.000".to_owned()).boxed(),
            "currency_code" => Just("KWD".to_owned()).boxed(),
            name if of_provider(name) => "(failed|R1)".boxed(),
            _typed => hostile().boxed(),
        };
        names.into_iter().map(|name| (Just(name), value(name))).collect::<Vec<_>>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every reading that is accepted has all fields of the genuine payload, but where the text before one makes another name
    /// of it. So it is the genuine one, or cuts a value that has a name in it; and then the genuine one is kept back itself.
    #[test]
    fn where_the_genuine_one_is_accepted_nothing_else_is_whatever_a_payer_typed(genuine in half_typed()) {
        let (accepted, _) = accepted(&genuine);
        if accepted.contains(&genuine) {
            prop_assert_eq!(accepted, [genuine]);
        } else {
            for reading in accepted {
                let has = |name: &str| reading.iter().any(|(other, _)| *other == name);
                let is_cut = |place: usize| place > 0 && anomaly::HEADS.iter().any(|begin| genuine[place - 1].1.ends_with(begin));
                let mut names = genuine.iter().enumerate();
                prop_assert!(names.all(|(place, (name, _))| has(name) || is_cut(place)), "{:?} is read as {:?}", &genuine, &reading);
            }
        }
    }
}

/// A name that begins in one value and ends in the name after it, or begins in a name and ends in its value.
#[test]
fn a_name_across_the_border_of_two_fields_is_caught() {
    for genuine in [
        &[("gateway_name", "x order_n"), ("order_no", "5"), ("state", "paid")][..],
        &[("order_no", "7reference_numbe"), ("reference_number", "ABC"), ("result", "success"), ("state", "paid")],
        &[("order_no", "7reference_numbe"), ("result", "success"), ("state", "paid")],
        &[("gateway_name", "x "), ("order_no", "rder_no5"), ("state", "paid")],
        &[("order_no", "7"), ("reference_number", "esultsuccess"), ("state", "paid")],
    ] {
        let genuine: Vec<_> = genuine.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(accepted(&genuine).0, [] as [Vec<_>; 0], "{genuine:?}");
    }
    // The other reading has neither a state nor anything else that tells it from a genuine payload.
    let line = [("customer_address_line1", "x customer_address_"), ("state", "paid")].map(|(name, value)| (name, value.to_owned()));
    let without_state = [("customer_address_line1", "x "), ("customer_address_state", "paid")];
    assert_eq!(accepted(&line).0, [without_state.map(|(name, value)| (name, value.to_owned())).to_vec()]);
}

#[test]
fn a_state_that_holds_a_result_is_caught() {
    let genuine = [("reference_number", "abcstateX"), ("result", "success")].map(|(name, value)| (name, value.to_owned()));
    assert_eq!(accepted(&genuine).0, [genuine.to_vec()]);
}

/// `o` is the end of `order_no` and the beginning of it, so the rest of the name can stand on either side.
#[test]
fn every_overlap_of_two_names_is_known() {
    let (mut heads, mut tails) = (Vec::new(), Vec::new());
    for (name, other) in fields::NAMES.iter().flat_map(|name| fields::NAMES.map(|other| (*name, other))) {
        let overlaps = (1..name.len()).filter(|at| other.starts_with(&name[*at..]));
        for at in overlaps {
            heads.push(&name[..at]);
            tails.push((name, &other[name.len() - at..]));
        }
    }
    tails.retain(|(_, tail)| !tail.is_empty());
    heads.sort_unstable();
    heads.dedup();
    tails.sort_unstable();
    assert_eq!((heads, tails), (anomaly::HEADS.to_vec(), anomaly::TAILS.to_vec()));
    let inside = |name: &str| fields::NAMES.iter().any(|other| name.len() > other.len() && name[..name.len() - 1].contains(other));
    assert!(!fields::NAMES.into_iter().any(inside), "a name that goes on behind another one would have to be looked for too");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever stands in the fields: of two payloads with one message at most one goes on.
    #[test]
    fn of_all_payloads_with_one_signed_message_at_most_one_is_accepted(
        fields in proptest::sample::subsequence(fields::NAMES.to_vec(), 2..6),
        scraps in proptest::collection::vec(proptest::collection::vec(scrap(), 1..4), 6),
    ) {
        let fields: Vec<_> = fields.into_iter().zip(scraps.iter().map(|scraps| scraps.concat())).collect();
        let (accepted, _) = accepted(&fields);
        prop_assert!(accepted.len() <= 1, "{:?}", accepted);
    }

    /// Merging a field into the one before, or splitting one, keeps the message and so the signature.
    #[test]
    fn of_all_payloads_with_one_signed_message_only_the_genuine_one_is_accepted(genuine in genuine()) {
        let (accepted, count) = accepted(&genuine);
        prop_assert!(count >= 1 << (genuine.len() - 1));
        prop_assert_eq!(accepted, [genuine]);
    }
}
