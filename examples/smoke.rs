//! smoke
use envelog::*;
use std::time::Instant;
fn main() -> Result<()> {
    let dir = std::env::args().nth(1).unwrap();
    let n: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let lvl = std::env::args().nth(3).unwrap_or_default();
    let per: usize = std::env::args().nth(4).map_or(1, |x| x.parse().unwrap());
    let level = match lvl.as_str() { "s" => Durability::Synced, "i" => Durability::Interval{ms:50,bytes:1<<22}, _ => Durability::Buffered };
    let t = Instant::now();
    let store = Options::new().durability(level).open(&dir)?;
    eprintln!("open {:?} {:?}", t.elapsed(), store.recovery());
    let mut g = sample::Generator::new(sample::Options{events: 100_000, ..Default::default()});
    let mut lines = vec![]; let mut l = String::new();
    while g.next_line(&mut l) { lines.push(l.clone()); l.clear(); }
    let envs: Vec<Envelope> = lines.iter().map(|l| Envelope::from_json(l.as_bytes()).unwrap()).collect();
    let t = Instant::now();
    let acc: Vec<Accepted> = envs.iter().map(|e| store.accept(e).unwrap()).collect();
    eprintln!("accept {:?}/ev", t.elapsed()/100_000);
    let t = Instant::now();
    let mut k = 0u64;
    if per == 1 { while k < n { store.append_accepted(&acc[(k % 100_000) as usize])?; k += 1; } }
    else { while k < n { let mut b = store.batch(); for _ in 0..per { b.push_accepted(&acc[(k%100_000) as usize])?; k+=1; } b.commit()?; } }
    let e = t.elapsed();
    eprintln!("append {n} in {e:?}: {:.0}/s", n as f64 / e.as_secs_f64());
    let t = Instant::now();
    let mut b = store.batch();
    for l in &lines { b.push_json(l.as_bytes())?; if b.len() == 1000 { b.commit_and_clear()?; } }
    b.commit()?;
    let e = t.elapsed();
    eprintln!("import {} in {e:?}: {:.0}/s", lines.len(), lines.len() as f64 / e.as_secs_f64());
    let p = store.project(store.projects()?[0]);
    let view = p.view()?;
    for _ in 0..3 {
    let t = Instant::now();
    let c = view.events().of_type(&view.event_types()?[0].name).count()?;
    eprintln!("count {c} {:?}", t.elapsed()); }
    let mut v = vec![];
    for i in 0..2000 { let u = sample::user_id(i * 7 % 3000); let t = Instant::now(); let n = view.timeline(u.as_str()).newest_first().limit(50).iter()?.count(); v.push((t.elapsed(), n)); }
    v.sort(); eprintln!("timeline p50 {:?} p99 {:?}", v[1000], v[1980]);
    eprintln!("{:?}", store.stats()?);
    if std::env::args().nth(5).is_some() { unsafe_exit(); }
    let t = Instant::now();
    store.close()?;
    eprintln!("close {:?}", t.elapsed());
    Ok(())
}
fn unsafe_exit() -> ! { std::process::abort() }
