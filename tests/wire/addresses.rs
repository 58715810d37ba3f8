//! Addresses: chosen, taken, left over.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use cellheap::wire::Connection;
use cellheap::wire::ports::Bound;
use serde_json::json;

use crate::fresh;

fn ports(connection: &Connection) -> [u16; 5] {
    let Connection {
        shell_port,
        iopub_port,
        stdin_port,
        control_port,
        hb_port,
        ..
    } = connection;
    [
        *shell_port,
        *iopub_port,
        *stdin_port,
        *control_port,
        *hb_port,
    ]
}

fn ipc() -> (Connection, String) {
    let path = fresh("connection.json");
    let ip = path.with_file_name("ipc").display().to_string();
    std::fs::write(&path, json!({"transport": "ipc", "ip": ip}).to_string()).unwrap();
    (Connection::read(&path).unwrap(), ip)
}

#[test]
fn ports_that_are_zero_are_chosen() {
    let mut connection = Connection::read(fresh("connection.json")).unwrap();
    let _bound = Bound::bind(&mut connection).unwrap();
    let mut chosen = ports(&connection);
    chosen.sort_unstable();
    assert!(chosen[0] > 0);
    assert!(chosen.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn ports_of_ipc_are_files_that_were_not_there() {
    let (mut connection, ip) = ipc();
    std::fs::write(format!("{ip}-2"), "somebody's").unwrap();
    let _bound = Bound::bind(&mut connection).unwrap();
    assert_eq!(ports(&connection), [1, 3, 4, 5, 6]);
    assert_eq!(
        std::fs::read_to_string(format!("{ip}-2")).unwrap(),
        "somebody's"
    );
}

#[test]
fn an_occupied_port_names_its_channel_and_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut connection = Connection::read(fresh("connection.json")).unwrap();
    connection.stdin_port = taken.local_addr().unwrap().port();
    let error = Bound::bind(&mut connection).err().unwrap().to_string();
    let expected = format!(
        "cannot bind stdin to tcp://127.0.0.1:{}: Address already in use",
        connection.stdin_port
    );
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn an_address_that_is_none_says_so() {
    let mut connection = Connection::read(fresh("connection.json")).unwrap();
    connection.ip = "192.0.2.1".to_owned();
    let error = Bound::bind(&mut connection).err().unwrap().to_string();
    assert!(
        error.starts_with("cannot bind shell to tcp://192.0.2.1:0: "),
        "{error}"
    );
}

#[test]
fn a_socket_file_that_somebody_listens_on_is_occupied() {
    let (mut connection, ip) = ipc();
    let _taken = UnixListener::bind(format!("{ip}-7")).unwrap();
    connection.iopub_port = 7;
    let error = Bound::bind(&mut connection).err().unwrap().to_string();
    let expected = format!("cannot bind iopub to ipc://{ip}-7: Address already in use");
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_socket_file_that_a_dead_kernel_left_is_taken_over() {
    let (mut connection, ip) = ipc();
    drop(UnixListener::bind(format!("{ip}-7")).unwrap());
    connection.iopub_port = 7;
    Bound::bind(&mut connection).unwrap();
    assert_eq!(connection.iopub_port, 7);
}
