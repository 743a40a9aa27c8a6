//! An explanation as text: what the API shows as JSON, for people. Every text in it comes from outside.

use super::{
    streams::Colours,
    table::{Cell, Table, shown},
};
use serde_json::Value;
use std::fmt::Write;

/// Which rules are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// All, with why each does not hold.
    All,
    /// Those that hold.
    Holding,
}

/// The whole explanation, each line ended.
pub fn text(explanation: &Value, which: Rules) -> String {
    let mut text = glance(explanation);
    text += &what(explanation);
    text += &verdict(explanation);
    text += &rules(explanation, which);
    text += &unsigned(explanation);
    text += &answer(explanation);
    text += &deliveries(explanation);
    text
}

/// What was decided when a stored event came, and what the rules in force say now.
pub fn of_event(explanation: &Value) -> String {
    let mut text = String::new();
    let said = |text: &mut String, label: &str, value: String| writeln!(text, "  {label}{value}").expect("a String takes all");
    if let Some(routing) = explanation["routing"].as_str() {
        text += "\nDECIDED WHEN IT CAME\n";
        let reason = explanation["quarantine_reason"].as_str().map(|reason| format!(" ({})", shown(reason))).unwrap_or_default();
        said(&mut text, "", format!("{}{reason}", shown(routing)));
        for one in list(&explanation["destinations"]) {
            let rules = list(&one["rules"]).map(quoted).collect::<Vec<_>>().join(", ");
            let by = if rules.is_empty() { String::new() } else { format!(" by {rules}") };
            said(&mut text, "to ", format!("{}{by}", string(&one["destination"])));
        }
    }
    let now = &explanation["now"];
    if !now.is_null() {
        text += "\nBY THE RULES NOW IN FORCE\n";
        let names = |list_of: &Value| list(list_of).map(|one| string(&one["destination"])).collect::<Vec<_>>();
        let (before, after) = (names(&explanation["destinations"]), names(&now["deliveries"]));
        let is_same = before.len() == after.len() && before.iter().all(|name| after.contains(name));
        let goes = if after.is_empty() { "nowhere".to_owned() } else { format!("to {}", after.join(", ")) };
        said(&mut text, "", if is_same { format!("it goes {goes}, as it did") } else { format!("it would go {goes}") });
        text += &rules(now, Rules::Holding);
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// All of it in two lines.
fn glance(explanation: &Value) -> String {
    let event = |field: &str| explanation["event"][field].as_str().map(shown);
    let words = ["kind", "operation", "state", "result", "amount", "currency_code"].into_iter().filter_map(event);
    let words = words.collect::<Vec<_>>().join(" ");
    let provider = explanation["provider"].as_str().unwrap_or("no longer in the rules file");
    let to = list(&explanation["deliveries"]).map(|one| string(&one["destination"])).collect::<Vec<_>>().join(", ");
    let to = match (to.is_empty(), explanation["routing"].as_str()) {
        (false, _) => format!("to {to}"),
        (true, Some("dropped")) => "dropped".to_owned(),
        (true, _) => "kept for a human, since no rule holds".to_owned(),
    };
    let answer = &explanation["answer"];
    let code =
        if answer["otherwise"].is_null() { answer["code"].to_string() } else { format!("{} or {}", answer["code"], answer["otherwise"]) };
    let becomes = match explanation["verdict"]["status"].as_str() {
        Some("accepted") => format!("{to}; answered {code}"),
        Some("quarantined") => format!("answered {code}, and KEPT IN QUARANTINE; once released: {to}"),
        _ => format!("REFUSED with {}; if its signature held: {to}; answered {code}", explanation["verdict"]["code"]),
    };
    format!("{words} from {} ({provider})\n-> {becomes}\n\n", string(&explanation["source"]))
}

/// What the event is, and where it says so.
fn what(explanation: &Value) -> String {
    let mut table = Table::new(["FIELD", "VALUE", "FOUND IN", "SIGNED"]);
    for derived in list(&explanation["derived"]) {
        let field = string(&derived["field"]);
        let place = match (derived["from"].as_str(), derived["because"].as_str()) {
            (Some(from), Some(because)) => format!("{from}: {because}"),
            (Some(place), None) | (None, Some(place)) => place.to_owned(),
            (None, None) => String::new(),
        };
        let signed = if derived["signed"] == true { "yes" } else { "no" };
        table.row([Cell::text(&field), Cell::of(&explanation["event"], &field), Cell::text(&place), Cell::text(signed)]);
    }
    format!("{}\n", table.render(Colours::Off))
}

fn verdict(explanation: &Value) -> String {
    let (signature, verdict) = (&explanation["signature"], &explanation["verdict"]);
    let status = match signature["status"].as_str() {
        Some("not_checked") => "not checked".to_owned(),
        Some("holds") => "holds".to_owned(),
        Some("absent") => "none".to_owned(),
        _ => "does not hold".to_owned(),
    };
    let detail = signature["detail"].as_str().map(|detail| format!(": {}", shown(detail))).unwrap_or_default();
    let if_signed = if signature["status"] == "not_checked" { " if its signature holds" } else { "" };
    let verdict = match verdict["status"].as_str() {
        Some("accepted") => format!("accepted{if_signed}"),
        Some("quarantined") => {
            format!(
                "kept in quarantine{if_signed} ({}), and forwarded only on release; the rules say what follows then",
                string(&verdict["reason"])
            )
        }
        _ => format!("refused with {}, and not stored; what follows is what would be if its signature held", verdict["code"]),
    };
    format!("signature: {status}{detail}\nverdict: {verdict}\n\n")
}

fn rules(explanation: &Value, which: Rules) -> String {
    let all: Vec<&Value> = list(&explanation["rules"]).collect();
    let told: Vec<&Value> = all.iter().copied().filter(|rule| which == Rules::All || rule["holds"] == "yes").collect();
    let mut text = String::from("RULES\n");
    for rule in &told {
        let (mark, why) = match rule["holds"].as_str() {
            Some("yes") => ("yes", deed(rule)),
            Some("no") => ("no ", failed(&rule["failed"])),
            _ => ("-  ", format!("not asked: {} stops the search before it", quoted(&rule["stopped_by"]))),
        };
        writeln!(text, "  {mark}  {}\n         {why}", string(&rule["name"])).expect("a String takes all");
    }
    match (all.len() - told.len(), told.is_empty()) {
        (0, true) => text += "  there are none\n",
        (0, false) => {}
        (others, _) => writeln!(text, "  {others} more, which do not hold or are not asked").expect("a String takes all"),
    }
    if explanation["routing"] == "unmatched" {
        let to: Vec<String> = list(&explanation["deliveries"])
            .filter(|one| list(&one["rules"]).next().is_none())
            .map(|one| string(&one["destination"]))
            .collect();
        match to.is_empty() {
            true => text += "  no rule but taps holds: the event is kept for a human (`unmatched: keep`)\n",
            false => {
                writeln!(text, "  no rule but taps holds: the event goes to {} (`unmatched`)", to.join(", ")).expect("a String takes all")
            }
        }
    }
    text + "\n"
}

/// What a rule that holds does.
fn deed(rule: &Value) -> String {
    let to = list(&rule["to"]).map(string).collect::<Vec<_>>().join(", ");
    let deed = match rule["action"].as_str() {
        Some("tap") => format!("sends a copy to {to}"),
        Some("drop") => "drops it on purpose".to_owned(),
        _ => format!("sends it to {to}"),
    };
    let found = list(&rule["found"]).map(sight).collect::<Vec<_>>().join(", ");
    if found.is_empty() { format!("{deed}: holds for every event") } else { format!("{deed}, since {found}") }
}

/// Why a condition does not hold.
fn failed(failed: &Value) -> String {
    let alternatives: Vec<String> = list(&failed["alternatives"]).map(self::failed).collect();
    if failed["condition"] == "any" {
        return format!("wants any of these: {}", alternatives.join(" | "));
    }
    let found = list(&failed["found"]).map(sight).collect::<Vec<_>>().join(", ");
    format!("wants {}, but {found}", string(&failed["condition"]))
}

/// What was found where a field points.
fn sight(found: &Value) -> String {
    let field = string(&found["field"]);
    let hint = found["hint"].as_str().map(|hint| format!(", which {hint}")).unwrap_or_default();
    match found["is"].as_str() {
        Some("text") => format!("{field} is {}{hint}", string(&found["value"])),
        Some("hidden") => format!("{field} is ***{hint}"),
        Some("no_text") => format!("{field} is a list or an object{hint}"),
        _ => format!("{field} is absent{hint}"),
    }
}

fn unsigned(explanation: &Value) -> String {
    let fields: Vec<String> = list(&explanation["unsigned"])
        .map(|one| format!("  {} ({})\n", string(&one["field"]), list(&one["rules"]).map(string).collect::<Vec<_>>().join(", ")))
        .collect();
    match fields.is_empty() {
        true => String::new(),
        false if explanation["signature"]["status"] == "absent" => {
            format!("NOT PROVEN BY ANY SIGNATURE, and looked at by rules that hold\n{}\n", fields.concat())
        }
        false => format!(
            "NOT COVERED BY THE SIGNATURE, and looked at by rules that hold: who has one signed event can change it\n{}\n",
            fields.concat()
        ),
    }
}

fn answer(explanation: &Value) -> String {
    let (answer, is_ottu) = (&explanation["answer"], explanation["provider"] == "ottu");
    let meaning = |code: &Value| match (is_ottu, code.as_u64()) {
        (true, Some(200)) => format!("{code} (the payer goes to your page)"),
        (true, Some(201)) => format!("{code} (the payer stays on the provider's page)"),
        _ => code.to_string(),
    };
    let by = answer["rule"].as_str().map_or_else(|| "the source".to_owned(), |rule| format!("the rule \"{}\"", shown(rule)));
    let code = meaning(&answer["code"]);
    let said = match answer["wait_for"].as_str() {
        None => format!("{code}, as {by} says"),
        Some(destination) => format!(
            "waits up to {} for {}: {code} once it has the event, else {}, as {by} says",
            string(&answer["within"]),
            shown(destination),
            meaning(&answer["otherwise"])
        ),
    };
    format!("ANSWER\n  {said}\n")
}

fn deliveries(explanation: &Value) -> String {
    let mut text = String::new();
    for delivery in list(&explanation["deliveries"]) {
        let rules = list(&delivery["rules"]).map(quoted).collect::<Vec<_>>().join(", ");
        let by = if rules.is_empty() { "`unmatched`".to_owned() } else { rules };
        writeln!(text, "\nTO {} by {by}", string(&delivery["destination"])).expect("a String takes all");
        text += &request(delivery);
        if delivery["paused"] == true {
            text += "  paused in the rules file: nothing is sent until that ends\n";
        }
        if !delivery["order"].is_null() {
            writeln!(text, "  in order with all events whose {}", sight(&delivery["order"])).expect("a String takes all");
        }
        if let (Some(retry), Some(timeout)) = (delivery["retry"].as_str(), delivery["timeout"].as_str()) {
            writeln!(text, "  retry {}; {timeout} per attempt", shown(retry)).expect("a String takes all");
        }
    }
    text
}

fn request(delivery: &Value) -> String {
    let request = &delivery["request"];
    match (request.is_null(), delivery["error"].as_str()) {
        (_, Some(error)) => format!("  dead at once: {}\n", shown(error)),
        (true, None) => "  its request is not shown, since the payload is no strict JSON\n".to_owned(),
        (false, None) => {
            let mut text = format!("  {} {}\n", string(&request["method"]), string(&request["url"]));
            for header in list(&request["headers"]) {
                writeln!(text, "    {}: {}", string(&header["name"]), string(&header["value"])).expect("a String takes all");
            }
            if request["unchanged"] == true {
                writeln!(text, "    | the payload as it came, {} bytes", request["body_bytes"]).expect("a String takes all");
                return text;
            }
            for line in request["body"].as_str().unwrap_or_default().lines() {
                writeln!(text, "    | {}", shown(line)).expect("a String takes all");
            }
            text
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().map(shown).unwrap_or_default()
}

fn quoted(value: &Value) -> String {
    format!("\"{}\"", string(value))
}
