//! The document for people: one page without any outside resource, made from the same document that programs read.

use serde_json::{Map, Value};
use std::fmt::Write as _;

use crate::api::{envelope, problem};

/// Loads nothing, runs nothing.
pub(in crate::api) const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1b1f24;background:#fff}\
h1,h2,h3{line-height:1.25}h2{margin-top:3rem;border-bottom:2px solid #d0d7de}h3{margin-top:2.5rem}\
code,pre{font:14px/1.45 ui-monospace,monospace}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f3f5f7;padding:.75rem;border-radius:6px}\
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:.5rem 0}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #d0d7de}\
td:first-child:not([colspan]){white-space:nowrap}td:last-child code{overflow-wrap:anywhere}th:last-child{min-width:8rem}h2,h3{scroll-margin-top:1rem}\
@media(max-width:40rem){table,tbody,tr,td,th{display:block}td,th{border:0;padding:.05rem 0}tr{border-bottom:1px solid #d0d7de;padding:.4rem 0}\
th:not(:first-child),td:empty,td:has(code:only-child:empty){display:none}td:first-child:not([colspan]){white-space:normal}td:first-child code{font-weight:bold}}\
nav ul{columns:18rem;padding-left:1.2rem}.way{color:#fff;background:#1f6f43;border-radius:4px;padding:.1rem .4rem}.post{background:#8a4b08}\
h3 code{overflow-wrap:anywhere}a{color:#0b57a4}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}h2,tr,th,td{border-color:#30363d}a{color:#79b8ff}}";

/// The page.
pub(super) fn page(document: &Value) -> String {
    let (mut index, mut body) = (String::new(), String::new());
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        let _ = write!(body, "<h2 id=\"{name}\">{}</h2>", escaped(text(&tag["description"])));
        let _ = write!(index, "<p><a href=\"#{name}\">{}</a></p><ul>", escaped(text(&tag["description"])));
        for (path, item) in fields(&document["paths"]) {
            for (method, operation) in fields(item).filter(|(_, operation)| operation["tags"][0] == *name) {
                let id = text(&operation["operationId"]);
                let _ = write!(index, "<li><a href=\"#{id}\">{id}</a></li>");
                body.push_str(&section(document, path, method, operation));
            }
        }
        index.push_str("</ul>");
    }
    let codes: String = problem::TABLE
        .iter()
        .map(|row| format!("<tr><td><code>{}</code><td>{}<td>{}", row.code, row.status, escaped(row.advice)))
        .collect();
    let refusals: String = envelope::TABLE
        .iter()
        .map(|row| {
            let advice = escaped(row.advice);
            format!("<tr><td><code>{}</code><td>{}<td>{}<td>{advice}", row.name, row.code, row.status)
        })
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>tolov: reference</title><style>{STYLE}</style><h1>tolov</h1><p>{} For programs: <code>GET /openapi.json</code>.</p>\
         <p>Each operation has a <code>curl</code> line to paste. Say first which till you are and which payment is meant: <code>TOKEN=…</code>, the \
         token in the credential <code>till_NAME</code>, and <code>ID=…</code>, a <code>transaction_id</code>. A field with <code>?</code> behind its name may be missing.</p>\
         <nav>{index}<p><a href=\"#codes\">Error codes</a>, <a href=\"#refusals\">refusals of /payment/*</a></p></nav>{body}<h2 id=\"codes\">Error codes of <code>/api/v1/</code></h2>\
         <div class=\"scroll\"><table><tr><th>code<th>HTTP<th>what the till should do{codes}</table></div>\
         <h2 id=\"refusals\">Refusals of <code>/payment/*</code></h2>\
         <div class=\"scroll\"><table><tr><th><code>error.message</code><th><code>error.code</code><th>HTTP<th>what the till should do{refusals}</table></div></html>",
        escaped(text(&document["info"]["description"]))
    )
}

fn section(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let mut out = String::new();
    let id = text(&operation["operationId"]);
    let _ = write!(
        out,
        "<section><h3 id=\"{id}\"><code class=\"way {method}\">{}</code> <code>{}</code> {id}</h3><p>{}</p>",
        method.to_uppercase(),
        escaped(path),
        escaped(text(&operation["summary"]))
    );
    for paragraph in text(&operation["description"]).split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        let _ = write!(out, "<p>{}</p>", escaped(paragraph));
    }
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let rows: String = parameters
        .map(|p| {
            let place = format!("{} ({})", text(&p["name"]), text(&p["in"]));
            row(document, &place, &p["schema"], text(&p["description"]), p["required"] == true)
        })
        .collect();
    table(&mut out, "Parameters", &rows);
    let sent = resolved(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
    table(&mut out, "Body", &rows_of(document, sent, ""));
    let _ = write!(out, "<pre>{}</pre>", escaped(&curl(document, path, method, operation, sent)));
    for (status, answer) in fields(&operation["responses"]) {
        let _ = write!(out, "<p><strong>{status}</strong> {}</p>", escaped(text(&answer["description"])));
        let content = fields(&answer["content"]).next().map_or(&Value::Null, |(_, content)| content);
        if status == "200" {
            table(&mut out, "Answer", &rows_of(document, resolved(document, &content["schema"]), ""));
        }
    }
    out + "</section>"
}

fn table(out: &mut String, title: &str, rows: &str) {
    if !rows.is_empty() {
        let _ = write!(
            out,
            "<div class=\"scroll\"><table><tr><th>{title}<th>type<th>what it is<th>example{rows}</table></div>"
        );
    }
}

/// The fields of an object, with those that stand in them.
fn rows_of(document: &Value, schema: &Value, within: &str) -> String {
    let mut rows = String::new();
    for (name, field) in fields(&schema["properties"]) {
        let path = format!("{within}{name}");
        let is_required = schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
        let inner = if field["contentSchema"].is_null() { field } else { &field["contentSchema"] };
        let inner = resolved(document, inner);
        let described = if field["description"].is_string() { field } else { inner };
        rows.push_str(&row(document, &path, field, text(&described["description"]), is_required));
        if within.matches('.').count() < 2 {
            rows.push_str(&rows_of(document, inner, &format!("{path}.")));
        }
    }
    // Where there are several shapes, each is told in its own words.
    if fields(&schema["properties"]).next().is_none() {
        for shape in schema["oneOf"].as_array().into_iter().flatten() {
            let shape = resolved(document, shape);
            if let Some(title) = shape["title"].as_str() {
                let _ = write!(rows, "<tr><td colspan=\"4\"><em>{}</em>", escaped(title));
            }
            rows.push_str(&rows_of(document, shape, within));
        }
    }
    rows
}

fn row(document: &Value, name: &str, field: &Value, description: &str, is_required: bool) -> String {
    let inner = resolved(document, field);
    let mark = if is_required { "" } else { "?" };
    let kind = match (&inner["enum"], &inner["type"]) {
        (Value::Array(names), _) => names.iter().map(plain).collect::<Vec<_>>().join(", "),
        (_, Value::Array(types)) => types.iter().map(plain).collect::<Vec<_>>().join(" or "),
        (_, Value::Null) => {
            let shapes = inner["oneOf"].as_array().into_iter().flatten();
            shapes.map(|shape| plain(&resolved(document, shape)["type"])).collect::<Vec<_>>().join(" or ")
        }
        (_, kind) => plain(kind),
    };
    let example = if field["example"].is_null() { &inner["example"] } else { &field["example"] };
    // A whole object stands in the line to paste.
    let example = if example.is_object() { &Value::Null } else { example };
    format!(
        "<tr><td><code>{}</code>{mark}<td>{}<td>{}<td><code>{}</code>",
        escaped(name),
        escaped(&kind),
        escaped(description),
        escaped(&plain(example))
    )
}

/// A line to paste: every field that is required, or the whole body that the operation shows.
fn curl(document: &Value, path: &str, method: &str, operation: &Value, sent: &Value) -> String {
    let path = path.replace("{id}", "$ID").replace("{transaction_id}", "$ID");
    let answered = fields(&operation["responses"]["200"]["content"]).next().map_or("", |(kind, _)| kind);
    // A stream is shown as it comes, and a picture is nothing for a terminal's window.
    let how = match answered {
        "text/event-stream" => "-sN",
        "image/png" => "-s -o screen.png",
        _ => "-s",
    };
    let mut line = format!("curl {how} \"http://127.0.0.1:8080{path}\"");
    if path.starts_with("/api/v1/") {
        line.push_str(" -H \"x_auth_token: $TOKEN\"");
    }
    if operation["requestBody"].is_null() {
        return if method == "post" { line + " -X POST" } else { line };
    }
    let whole = &operation["requestBody"]["content"]["application/json"]["example"];
    let mut body = if whole.is_null() { example(document, sent) } else { whole.clone() };
    if sent["properties"]["transaction_id"].is_object() {
        body["transaction_id"] = "$ID".into();
    }
    // The shell puts nothing into single quotes: they are left for the payment's name.
    let body = body.to_string().replace("$ID", "'\"$ID\"'");
    let _ = write!(line, " --json '{body}'");
    line
}

fn example(document: &Value, schema: &Value) -> Value {
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    if let Some(shape) = schema["oneOf"].as_array().and_then(|shapes| shapes.first()) {
        return example(document, resolved(document, shape));
    }
    if let Some(first) = schema["enum"].as_array().and_then(|names| names.first()) {
        return first.clone();
    }
    let is_required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
    let made = fields(&schema["properties"]).filter(|(name, _)| is_required(name));
    match text(&schema["type"]) {
        "object" => made.map(|(name, field)| (name.clone(), example(document, resolved(document, field)))).collect(),
        "integer" | "number" if schema["minimum"].is_number() => schema["minimum"].clone(),
        "integer" | "number" => 1.into(),
        "boolean" => true.into(),
        _ => "…".into(),
    }
}

/// What a reference leads to; of a value that may be null, the value.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let shapes = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = shapes.iter().filter(|shape| shape["type"] != "null").collect::<Vec<_>>();
    let schema = if let ([only], false) = (named.as_slice(), shapes.len() == 1) { only } else { schema };
    match schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    }
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// As HTML; what stands between backticks is code.
fn escaped(text: &str) -> String {
    let safe = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let marked = safe.split('`').enumerate();
    marked.map(|(i, part)| if i % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}
