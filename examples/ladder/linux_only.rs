//! The root of step 5, so that its file need not say `cfg` everywhere.

#[cfg(target_os = "linux")]
#[path = "05_epoll.rs"]
mod epoll;

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    epoll::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("epoll is Linux's. Go on with 06_selector, which finds the kqueue of this system.");
}
