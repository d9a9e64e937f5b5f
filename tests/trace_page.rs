//! A claim about the page of a trace, tried in a real browser.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/folder.rs"]
mod folder;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{child, deadline, is_child};
use folder::Folder;
use selio::net::{TcpListener, TcpStream};
use selio::{Builder, run, spawn_named, trace, yield_now};

/// How many clients there are, and how many messages each of them sends: over 100,000 events.
const CLIENTS: usize = 50;
const MESSAGES: usize = 220;

/// Zooms in, filters, and leaves a word about what became of it.
const HAND: &str = r#"<script>
addEventListener("DOMContentLoaded", () => {
  requestAnimationFrame = (draw) => draw();
  isDue = false;
  const page = document.body.dataset, said = [page.milliseconds, trace.count, steps.length, page.arrows];
  all();
  said.push(page.lanes, page.length);
  const turn = { deltaY: -120, clientX: 600, clientY: 300, cancelable: true };
  canvas.dispatchEvent(new WheelEvent("wheel", turn));
  said.push(page.length);
  all();
  for (const wanted of ["client#", "fd 9", "nobody"]) {
    $("find").value = wanted;
    $("find").dispatchEvent(new Event("input"));
    said.push(page.lanes);
  }
  page.said = said.join(" ");
});
</script>
"#;

async fn many_messages() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (client, server) = (TcpStream::connect(address).await, listener.accept().await);
        let (client, (server, _)) = (client.unwrap(), server.unwrap());
        spawn_named("server", async move {
            let mut buffer = [0; 64];
            while let Ok(n @ 1..) = server.read(&mut buffer).await {
                server.write_all(&buffer[..n]).await.unwrap();
            }
        });
        clients.push(spawn_named("client", async move {
            for _ in 0..MESSAGES {
                client.write_all(b"ping").await.unwrap();
                assert_eq!(client.read(&mut [0; 64]).await.unwrap(), 4);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
}

fn browser() -> Option<&'static str> {
    let is_there = |name: &&str| {
        let mut command = Command::new(name);
        let command = command.arg("--version").stdout(Stdio::null());
        command.stderr(Stdio::null()).status().is_ok()
    };
    let mut browsers = ["chromium", "chromium-browser", "google-chrome"].into_iter();
    let found = browsers.find(is_there);
    if found.is_none() {
        eprintln!("skipped: there is no Chromium; on Debian, `apt-get install chromium`");
    }
    found
}

/// What becomes of a page in a browser, which has nothing to complain of.
fn opened_by(browser: &str, page: &Path, folder: &Folder) -> String {
    let mut command = Command::new(browser);
    command.args(["--headless", "--disable-gpu", "--no-sandbox", "--dump-dom"]);
    command.args(["--window-size=1400,800", "--enable-logging=stderr"]);
    let profile = folder.file("profile");
    command.arg(format!("--user-data-dir={}", profile.display()));
    command.arg(format!("file://{}", page.display()));
    let output = deadline(Duration::from_secs(120), || command.output().unwrap());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!told.contains("CONSOLE"), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "opens Chromium: cargo test --test trace_page -- --ignored"]
fn a_page_with_100_000_events_opens_within_3_seconds_and_zooms_and_filters() {
    if is_child() {
        return run(many_messages());
    }
    let Some(browser) = browser() else { return };
    let folder = Folder::new("page");
    let path = folder.file("life.html");
    let mut session =
        child("a_page_with_100_000_events_opens_within_3_seconds_and_zooms_and_filters");
    session.arg("--ignored").env("SELIO_TRACE", &path);
    assert!(session.stdout(Stdio::null()).status().unwrap().success());
    let page = fs::read_to_string(&path).unwrap();
    let entries = "<script type=\"application/json\"";
    let page = page.replacen(entries, &format!("{HAND}{entries}"), 1);
    fs::write(&path, page).unwrap();

    let dom = opened_by(browser, &path, &folder);
    let body = dom.lines().find(|line| line.contains("<body")).unwrap();
    let (_, said) = body
        .split_once("data-said=\"")
        .unwrap_or_else(|| panic!("{body}"));
    let said = said.split('"').next().unwrap();
    println!("{said}");
    let said: Vec<f64> = said.split(' ').map(|it| it.parse().unwrap()).collect();
    let [
        opened,
        events,
        steps,
        arrows,
        lanes,
        whole,
        zoomed,
        clients,
        of_fd,
        none,
    ] = said[..]
    else {
        panic!("{said:?}");
    };
    assert!(events >= 100_000.0, "{events} events");
    assert!(opened <= 3_000.0, "opened after {opened} ms");
    assert!(
        steps >= 5.0 && arrows >= 1.0,
        "{steps} steps, {arrows} arrows"
    );
    assert_eq!(lanes as usize, 2 * CLIENTS + 1);
    assert!(zoomed < whole * 0.7, "{whole} became {zoomed}");
    assert_eq!((clients as usize, none as usize), (CLIENTS, 0));
    assert!((1.0..lanes).contains(&of_fd), "{of_fd} lanes");
}

#[test]
#[ignore = "opens Chromium: cargo test --test trace_page -- --ignored"]
fn a_page_that_a_kill_has_torn_shows_what_is_whole() {
    let Some(browser) = browser() else { return };
    let folder = Folder::new("torn-page");
    let path = folder.file("life.html");
    let trace = trace::to_file(&path).unwrap();
    let runtime = Builder::new().observer(trace).build().unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            spawn_named("whole", yield_now()).await.unwrap();
        }
        spawn_named("torn", yield_now()).await.unwrap();
    });
    drop(runtime);
    let page = fs::read_to_string(&path).unwrap();
    let torn = page.find("\"torn#").unwrap();
    fs::write(&path, &page[..torn + 3]).unwrap();
    let dom = opened_by(browser, &path, &folder);
    assert!(dom.contains(": 3 tasks, "), "{dom}");
}
