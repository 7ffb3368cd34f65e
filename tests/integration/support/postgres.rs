//! A PostgreSQL cluster that lives as long as one test.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A running cluster in a folder of its own; stopped and deleted when dropped.
pub(crate) struct Cluster {
    bin: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Cluster {
    /// Starts an empty cluster, or fails with what to install.
    pub(crate) fn start() -> Self {
        let bin = newest_bin();
        let folder = tempfile::Builder::new().prefix("cedargate-postgres-").tempdir().unwrap();
        if is_root() {
            give_away(folder.path());
        }
        let cluster = Self { bin, folder, port: free_port() };
        let data = cluster.data();
        cluster.run(
            "initdb",
            &["-D", &data, "-U", "cedargate", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8"],
        );
        cluster.resume();
        cluster
    }

    /// Starts the stopped cluster again.
    pub(crate) fn resume(&self) {
        let (data, folder) = (self.data(), self.folder.path().display());
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -p {} -k {folder} -c fsync=off -c full_page_writes=off",
            self.port
        );
        let log = format!("{folder}/log");
        self.run("pg_ctl", &["-D", &data, "-s", "-w", "-l", &log, "-o", &settings, "start"]);
    }

    /// Stops the cluster as a power cut would.
    pub(crate) fn kill(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-s", "-w", "-m", "immediate", "stop"]);
    }

    /// The address of the cluster, to which `/` and the name of a database are added.
    pub(crate) fn url(&self) -> String {
        format!("postgres://cedargate@127.0.0.1:{}", self.port)
    }

    /// The address of a new, empty database.
    pub(crate) fn database(&self, name: &str) -> String {
        let port = self.port.to_string();
        self.run("createdb", &["-h", "127.0.0.1", "-p", &port, "-U", "cedargate", name]);
        format!("{}/{name}", self.url())
    }

    fn data(&self) -> String {
        format!("{}/data", self.folder.path().display())
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let Output { status, stderr, .. } = self.command(program).args(arguments).output().unwrap();
        assert!(status.success(), "{program} failed: {}", String::from_utf8_lossy(&stderr));
    }

    /// PostgreSQL refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() { Command::new("runuser") } else { Command::new(&program) };
        if is_root() {
            command.args(["-u", "postgres", "--"]).arg(&program);
        }
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command("pg_ctl").args(["-D", &self.data(), "-s", "-m", "immediate", "stop"]).output();
    }
}

fn newest_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin"))).filter(|(_, bin)| bin.join("initdb").exists())
    });
    let newest = numbered.max();
    newest.expect("no PostgreSQL in /usr/lib/postgresql: run `apt-get install postgresql`").1
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn give_away(folder: &Path) {
    let number = |flag| {
        let Output { stdout, .. } = Command::new("id").args([flag, "postgres"]).output().unwrap();
        String::from_utf8_lossy(&stdout)
            .trim()
            .parse()
            .expect("no user `postgres`: run `apt-get install postgresql`")
    };
    chown(folder, Some(number("-u")), Some(number("-g"))).unwrap();
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
