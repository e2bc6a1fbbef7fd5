//! A nameserver on loopback: answers from a function, and counts what it was asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, OpCode};
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use openclaw_egress::EgressSettings;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

pub(crate) struct Nameserver {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

/// What a name is.
pub(crate) enum Answer {
    At(&'static str),
    Alias(&'static str),
}

impl Nameserver {
    /// `answers` gets a name without its dot and how many questions came before, and says all records of the name;
    /// those of the type that was asked for are sent, aliases followed.
    pub(crate) async fn new<F>(answers: F) -> Self
    where
        F: Fn(&str, usize) -> Vec<Answer> + Send + 'static,
    {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let query = Message::from_vec(&buffer[..length]).unwrap();
                let question = query.queries[0].clone();
                let mut response = Message::response(query.metadata.id, OpCode::Query);
                response.metadata.recursion_available = true;
                response.add_query(question.clone());
                let before = count.fetch_add(1, Ordering::SeqCst);
                let mut name = question.name().clone();
                'alias: loop {
                    let text = name.to_ascii().to_ascii_lowercase();
                    for answer in answers(text.trim_end_matches('.'), before) {
                        match answer {
                            Answer::Alias(to) => {
                                let to = Name::from_ascii(format!("{to}.")).unwrap();
                                response.add_answer(Record::from_rdata(name, 0, RData::CNAME(CNAME(to.clone()))));
                                name = to;
                                continue 'alias;
                            }
                            Answer::At(address) => {
                                let data = match address.parse().unwrap() {
                                    IpAddr::V4(address) => RData::A(address.into()),
                                    IpAddr::V6(address) => RData::AAAA(address.into()),
                                };
                                let is_asked_for = matches!(
                                    (&data, question.query_type()),
                                    (RData::A(_), RecordType::A) | (RData::AAAA(_), RecordType::AAAA)
                                );
                                if is_asked_for {
                                    response.add_answer(Record::from_rdata(name.clone(), 0, data));
                                }
                            }
                        }
                    }
                    break;
                }
                socket.send_to(&response.to_vec().unwrap(), from).await.unwrap();
            }
        });
        Self { address, asked, _tasks: tasks }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn settings(&self) -> EgressSettings {
        EgressSettings { nameservers: vec![self.address], hosts_file: "/dev/null".into(), ..EgressSettings::default() }
    }
}
