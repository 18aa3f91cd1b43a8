use super::*;
use crate::types::Ordinal;

const MIX: Mix = Mix { frames: 700, projects: 2, types: 4, users: 30, late: 20, others: 10, step: 1_000_000 };

/// Everything that the index says, in one text.
fn answers(index: &SealedIndex, frames: &[Frame]) -> crate::Result<String> {
    use std::fmt::Write as _;
    let index = SegmentIndex::sealed(Arc::new(SealedIndex::reopened(index)?));
    let mut out = String::new();
    let mut say = |what: &dyn std::fmt::Debug| writeln!(out, "{what:?}").unwrap();
    say(&index.times()?);
    for project in index.projects()? {
        say(&(project, index.project(&project.id)?, index.modules(project.no)?));
        for each in index.types(project.no)? {
            say(&(index.type_no(project.no, &each.name)?, index.postings(each.no)?.collect::<Vec<_>>()));
            let middle = Nanos::new(i64::midpoint(each.times.min.get(), each.times.max.get()));
            say(&(index.count_between(each.no, each.times.min, middle)?, each));
        }
        for kind in IdKind::ALL {
            for id in index.ids(project.no, kind)? {
                let id = id?;
                let postings = index.id_postings(project.no, kind, id.hash)?;
                say(&(id, postings.collect::<crate::Result<Vec<_>>>()?));
            }
        }
    }
    for at in 0..index.frames() {
        let ordinal = Ordinal::new(at);
        say(&(index.offset(ordinal)?, index.timestamp(ordinal)?, index.type_and_module(ordinal)?));
        say(&(index.id_of(IdKind::User, ordinal)?, index.id_of(IdKind::Device, ordinal)?));
    }
    for block in 0..frames.len().div_ceil(BLOCK) {
        let (mut numbers, mut times) = ([0; BLOCK], [0; BLOCK]);
        say(&index.zone(block)?);
        say(&(index.fill_times(block, &mut times)?, &times[..]));
        say(&(index.fill_types(block, &mut numbers)?, &numbers[..]));
    }
    Ok(out)
}

#[test]
fn a_flipped_byte_is_reported_or_changes_no_answer() {
    let mut random = Random::from_env();
    let frames = frames(&mut random, MIX);
    let (file, origin) = (built(&frames), origin_of(&frames));
    let open = |bytes: Vec<u8>| SealedIndex::from_bytes(bytes, NAME, &file.listed, &origin);
    let expected = answers(&open(file.bytes.clone()).unwrap(), &frames).unwrap();
    let mut unchanged = 0;
    for at in 0..file.bytes.len() {
        let mut bytes = file.bytes.clone();
        bytes[at] ^= 1 << random.below(8);
        let Ok(index) = open(bytes) else { continue };
        assert!(index.verify().is_err(), "byte {at} is not checked");
        if let Ok(said) = answers(&index, &frames) {
            assert_eq!(said, expected, "byte {at}");
            unchanged += 1;
        }
    }
    println!("{unchanged} of {} flips changed no answer, the others were reported", file.bytes.len());
}

#[test]
fn a_file_that_was_cut_is_refused() {
    let frames = frames(&mut Random::from_env(), MIX);
    let (file, origin) = (built(&frames), origin_of(&frames));
    for len in 0..file.bytes.len() {
        let cut = file.bytes[..len].to_vec();
        assert!(SealedIndex::from_bytes(cut, NAME, &file.listed, &origin).is_err(), "cut to {len}");
    }
}

/// Makes all checksums of a file right again.
fn resign(file: &mut IndexFile) {
    let start = file.bytes.len()
        - usize::try_from(u64::from_le_bytes(file.bytes[128..136].try_into().unwrap())).unwrap();
    let content_crc = crc32fast::hash(&file.bytes[start..]);
    file.bytes[124..128].copy_from_slice(&content_crc.to_le_bytes());
    let crcs: Vec<u8> =
        file.bytes[start..].chunks(4096).flat_map(|block| crc32fast::hash(block).to_le_bytes()).collect();
    file.bytes[512..512 + crcs.len()].copy_from_slice(&crcs);
    file.listed.crc = crc32fast::hash(&file.bytes);
}

#[test]
fn hostile_bytes_with_right_checksums_never_panic() {
    let mut random = Random::from_env();
    let frames = frames(&mut random, MIX);
    let (file, origin) = (built(&frames), origin_of(&frames));
    let mut opened = 0;
    for _ in 0..3000 {
        let mut hostile = file.clone();
        for _ in 0..=random.below(3) {
            // The header is refused as a whole for most changes, so that most go into the content.
            let at = if random.one_in(8) {
                random.below(512)
            } else {
                4096 + random.below(file.bytes.len() as u64 - 4096)
            };
            let at = usize::try_from(at).unwrap();
            let byte = [0, 0xff, 0x7f, 0x80, 1][usize::try_from(random.below(5)).unwrap()];
            let run = usize::try_from(random.below(9)).unwrap();
            hostile.bytes.iter_mut().skip(at).take(run).for_each(|each| *each = byte);
        }
        let sized = u64::from_le_bytes(hostile.bytes[128..136].try_into().unwrap())
            == u64::from_le_bytes(file.bytes[128..136].try_into().unwrap());
        if sized {
            resign(&mut hostile);
        }
        if let Ok(index) = SealedIndex::from_bytes(hostile.bytes, NAME, &hostile.listed, &origin) {
            opened += 1;
            let _ = answers(&index, &frames);
        }
    }
    assert!(opened > 1000, "{opened} of 3000 files were opened: the test says too little");
}
