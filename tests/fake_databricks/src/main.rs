//! `fake_databricks [PORT] [MLFLOW-SERVER]`: a workspace for clients of other languages.

use fake_databricks::{FakeDatabricks, Settings, TOKEN};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().unwrap_or_else(|| "0".to_owned());
    let settings = Settings {
        mlflow: arguments.next(),
        ..Settings::default()
    };
    let listener = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    let fake = FakeDatabricks::start_on(listener, settings);
    println!("DATABRICKS_HOST={} DATABRICKS_TOKEN={TOKEN}", fake.url());
    let mut shown = 0;
    loop {
        for request in fake.all_requests().iter().skip(shown) {
            println!(
                "{} {:?} {:?}",
                request.line(),
                request.query,
                String::from_utf8_lossy(&request.body)
            );
            shown += 1;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
