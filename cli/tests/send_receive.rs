//! Pictures from `aecodec send` arrive at `aecodec receive` on the same host, for all ways to pair and send.

mod network;

use network::{Ended, Place, repository};
use serde_json::Value;

/// Runs a sender with this state folder, ticket and further arguments.
fn send(place: &Place, state: &str, ticket: &str, args: &str) -> Ended {
    place.run(&format!("send --json --state {state} --to {ticket} {args}"))
}

fn number(line: &Value, field: &str) -> f64 {
    line[field].as_f64().unwrap_or_else(|| panic!("no number {field} in {line}"))
}

fn names(lines: &[&Value]) -> Vec<String> {
    let mut names: Vec<_> = lines.iter().map(|line| line["name"].as_str().expect("a name").into()).collect();
    names.sort();
    names
}

#[test]
fn pictures_arrive_as_compress_makes_them_and_both_ends_tell_what_was_saved() {
    let place = Place::new();
    for name in ["brick", "glass-alpha", "interior-gray"] {
        place.sample(&format!("{name}.png"), &format!("pictures/{name}.png"));
    }
    place.run("compress pictures -o expected").with(0);
    let receiver = place.receive("--out inbox --no-decode");
    let sent = send(&place, "camera", &receiver.ticket, "pictures --label camera-7").with(0);

    assert_eq!(place.files("inbox"), ["brick.aec", "glass-alpha.aec", "interior-gray.aec"]);
    for name in place.files("inbox") {
        let (found, expected) =
            (place.read(&format!("inbox/{name}")), place.read(&format!("expected/{name}")));
        assert!(found == expected, "{name}");
    }
    let received = receiver.program.stop().with(0);
    assert_eq!(names(&sent.all("delivered")), place.files("inbox"));
    assert_eq!(names(&received.all("arrived")), place.files("inbox"));
    assert!(received.all("arrived").iter().all(|line| line["from"] == "camera-7" && line["stored"] == "now"));
    for total in [sent.total(), received.total()] {
        assert_eq!((&total["pictures"], &total["failed"]), (&3.into(), &0.into()), "{total}");
        assert!(number(total, "saved_of_source") > 0.7 && number(total, "saved_of_raw") > 0.9, "{total}");
        assert!((25.0..60.0).contains(&number(total, "psnr")), "{total}");
        assert!(number(total, "wire_bytes") > number(total, "bytes"), "{total}");
    }
    for field in ["bytes", "source_bytes", "raw_bytes", "psnr", "bpp"] {
        assert_eq!(sent.total()[field], received.total()[field], "{field}");
    }
    assert_eq!((sent.errors, received.errors), Default::default());
}

#[test]
fn pictures_of_16_bits_arrive_exactly_and_are_decoded_with_all_of_their_bits() {
    let place = Place::new();
    let samples: Vec<u8> = (0..4096_u16).flat_map(|v| (16 * v + 5).to_be_bytes()).collect();
    let file = [&b"P5\n64 64\n65535\n"[..], &samples].concat();
    place.put("ramp.pgm", &file);
    let receiver = place.receive("--out inbox --decode png");
    send(&place, "camera", &receiver.ticket, "ramp.pgm --lossless").with(0);
    receiver.program.stop().with(0);
    let decoded = image::open(place.path("inbox/ramp.png")).expect("a picture").into_luma16();
    assert!((0..4096_u16).eq(decoded.pixels().map(|pixel| (pixel.0[0] - 5) / 16)));
    place.run("verify inbox/ramp.aec --against ramp.pgm").with(0);
}

#[test]
fn sending_again_sends_nothing() {
    let place = Place::new();
    for seed in 0..5 {
        place.picture(&format!("pictures/{seed}.png"), seed);
    }
    let receiver = place.receive("--out inbox");
    let first = send(&place, "a", &receiver.ticket, "pictures").with(0);
    let second = send(&place, "a", &receiver.ticket, "pictures").with(0);
    assert_eq!((second.all("skipped").len(), second.all("delivered").len()), (5, 0));
    assert_eq!((&second.total()["skipped"], &second.total()["bytes"]), (&5.into(), &0.into()));

    // Even if the sender insists, the receiver requests no byte of a picture that it has.
    let again = send(&place, "a", &receiver.ticket, "--again pictures").with(0);
    assert!(again.all("delivered").iter().all(|line| line["stored"] == "before"), "{again:#?}");
    assert_eq!(again.total()["before"], 5);
    assert!(
        number(again.total(), "wire_bytes")
            < number(first.total(), "wire_bytes") - number(first.total(), "bytes") / 2.0
    );
    assert_eq!(place.files("inbox").len(), 5);
}

#[test]
fn key_and_ticket_survive_a_restart_and_a_kill() {
    let place = Place::new();
    for seed in 0..3 {
        place.picture(&format!("{seed}.png"), seed);
    }
    let first = place.receive("--out inbox");
    let (ticket, listen) = (first.ticket.clone(), first.address);
    send(&place, "a", &ticket, "0.png").with(0);
    first.program.stop().with(0);
    #[cfg(unix)]
    for key in ["inbox/.aecodec/key", "a/key"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(place.path(key)).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let second = place.receive(&format!("--out inbox --listen {listen}"));
    assert_eq!(second.ticket, ticket);
    send(&place, "a", &ticket, "1.png").with(0);
    second.program.kill();
    let third = place.receive(&format!("--out inbox --listen {listen}"));
    assert_eq!(third.ticket, ticket);
    send(&place, "a", &ticket, "2.png").with(0);
    assert_eq!(place.files("inbox"), ["0.aec", "1.aec", "2.aec"]);
}

#[test]
fn decoded_pictures_have_the_exact_pixels() {
    let place = Place::new();
    place.sample("glass-alpha.png", "pictures/glass.png");
    place.picture("pictures/deep/small.png", 1);
    let mut receiver = place.receive("--out inbox --decode png --preview");
    send(&place, "a", &receiver.ticket, "pictures").with(0);
    for _ in 0..2 {
        let line = receiver.program.until("decoded");
        assert_eq!(line["exact"], true, "{line}");
    }
    place.run("decompress inbox/glass.aec inbox/deep/small.aec -o decoded").with(0);
    let pixels = |name: &str| image::open(place.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(pixels("inbox/glass.png"), pixels("decoded/glass.png"));
    assert_eq!(pixels("inbox/deep/small.png"), pixels("decoded/small.png"));
    // The previews were replaced by the pictures.
    assert_eq!(place.files("inbox"), ["deep/small.aec", "deep/small.png", "glass.aec", "glass.png"]);
}

#[test]
fn an_aec_of_another_model_than_the_senders_is_decoded() {
    let place = Place::new();
    place.sample("still-life-best.aec", "best.aec");
    let mut receiver = place.receive("--out inbox --decode png");
    send(&place, "a", &receiver.ticket, "best.aec").with(0);
    assert_eq!(receiver.program.until("decoded")["exact"], true);
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let place = Place::new();
    let services = ["--store nowhere", "--notify http://example.org"];
    let services = if cfg!(feature = "services") { &services[..] } else { &[] };
    for &wrong in ["--live live.gif"].iter().chain(services) {
        let ended = place.run(&format!("receive --out inbox {wrong}")).with(2);
        let found = wrong.split(' ').nth(1).expect("a word");
        assert!(ended.errors.contains(found), "{wrong}: {}", ended.errors);
    }
}

#[test]
fn several_senders_at_once_share_a_receiver_and_nothing_is_overwritten() {
    let place = Place::new();
    let receiver = place.receive("--out inbox --reusable");
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            // One picture is the same for all senders, and one differs but has the same name.
            place.picture(&format!("{sender}/same.png"), 99);
            place.picture(&format!("{sender}/shot.png"), sender);
            let args =
                format!("--state state{sender} --label camera{sender} {sender}/same.png {sender}/shot.png");
            place.start(&format!("send --json --to {} {args}", receiver.ticket))
        })
        .collect();
    senders.into_iter().for_each(|sender| drop(sender.end().with(0)));
    assert_eq!(place.files("inbox"), ["same.aec", "shot-2.aec", "shot-3.aec", "shot-4.aec", "shot.aec"]);
    let mut shots: Vec<_> =
        place.files("inbox").iter().map(|name| place.read(&format!("inbox/{name}"))).collect();
    shots.sort();
    shots.dedup();
    assert_eq!(shots.len(), 5, "every picture is there once");
    let known = place.run("peers --out inbox --json").with(0);
    assert_eq!(names(&known.lines.iter().collect::<Vec<_>>()), ["camera0", "camera1", "camera2", "camera3"]);
    receiver.program.stop().with(0);
}

#[test]
fn folders_keep_their_structure_and_aec_files_go_as_they_are() {
    let place = Place::new();
    place.picture("pictures/a.png", 1);
    place.picture("pictures/a.jpg", 2);
    place.picture("pictures/deep/er/b.webp", 3);
    place.sample("sign.aec", "pictures/deep/sign.aec");
    place.put("pictures/notes.txt", b"no picture");
    let receiver = place.receive("--out inbox");
    let sent = send(&place, "a", &receiver.ticket, "pictures").with(0);
    let expected = ["a.jpg.aec", "a.png.aec", "deep/er/b.aec", "deep/sign.aec"];
    assert_eq!(place.files("inbox"), expected);
    assert_eq!(names(&sent.all("delivered")), expected);
    assert!(place.read("inbox/deep/sign.aec") == place.read("pictures/deep/sign.aec"));
    let sign = sent.all("delivered").into_iter().find(|line| line["name"] == "deep/sign.aec");
    assert_eq!(sign.expect("a line")["psnr"], Value::Null, "nobody knows it here");
}

#[test]
fn a_watched_folder_gives_its_new_and_changed_files() {
    let place = Place::new();
    place.picture("camera/old.png", 1);
    let receiver = place.receive("--out inbox");
    let mut sender = place.start(&format!("send --json --state a --to {} --watch camera", receiver.ticket));
    assert_eq!(sender.until("delivered")["name"], "old.aec");
    place.picture("camera/today/new.png", 2);
    assert_eq!(sender.until("delivered")["name"], "today/new.aec");
    place.picture("camera/old.png", 3);
    assert_eq!(
        sender.until("delivered")["file"],
        place.path("camera/old.png").canonicalize().unwrap().to_str().unwrap()
    );
    assert_eq!(place.files("inbox"), ["old-2.aec", "old.aec", "today/new.aec"], "nothing is overwritten");

    // A watched folder is never finished. When the sender is stopped, it says that nothing is lost.
    let stopped = sender.stop().with(130);
    assert_eq!(stopped.total()["pictures"], 3);
    let mut again = place.start(&format!("send --json --state a --to {} --watch camera", receiver.ticket));
    for _ in 0..2 {
        again.until("skipped");
    }
    drop(again.stop());
    assert_eq!(place.files("inbox").len(), 3);
}

#[test]
fn peers_are_invited_listed_named_and_removed() {
    let place = Place::new();
    place.picture("a.png", 1);
    place.picture("b.png", 2);
    let receiver = place.receive("--out inbox");
    place.run("peers --out inbox").with(3);
    place.run("peers --out nowhere").with(1);
    send(&place, "one", &receiver.ticket, "--label camera-1 a.png").with(0);

    // The ticket was for one sender.
    let second = send(&place, "two", &receiver.ticket, "a.png").with(5);
    assert!(second.errors.contains("does not admit"), "{}", second.errors);
    assert_eq!(second.errors.lines().count(), 1, "{}", second.errors);
    let invited = place.run("peers --out inbox --json invite").with(0);
    let ticket = invited.lines[0]["ticket"].as_str().expect("a ticket");
    send(&place, "two", ticket, "--label camera-2 b.png").with(0);

    let list = place.run("peers --out inbox --json").with(0);
    assert_eq!(names(&list.lines.iter().collect::<Vec<_>>()), ["camera-1", "camera-2"]);
    assert!(list.lines.iter().all(|peer| peer["pictures"] == 1), "{list:#?}");
    let key = list.lines[0]["key"].as_str().expect("a key");
    place.run(&format!("peers --out inbox name {} porch", &key[..8])).with(0);
    place.run("peers --out inbox remove porch").with(0);
    place.run("peers --out inbox remove porch").with(1);
    let refused = send(&place, "one", &receiver.ticket, "--again a.png").with(5);
    assert!(refused.errors.contains("does not admit"), "{}", refused.errors);
    send(&place, "two", ticket, "--again b.png").with(0);

    let reusable = place.run("peers --out inbox --json invite --reusable").with(0);
    let ticket = reusable.lines[0]["ticket"].as_str().expect("a ticket");
    send(&place, "three", ticket, "a.png").with(0);
    place.put("ticket", ticket.as_bytes());
    place.run("peers --out inbox withdraw ticket").with(0);
    send(&place, "four", ticket, "a.png").with(5);
    let received = receiver.program.stop().with(0);
    // Each of the three senders tries the invitation and its own key, because the receiver may know either.
    assert_eq!(received.all("refused").len(), 6, "{received:#?}");
    assert_eq!(received.errors.lines().count(), 6, "{}", received.errors);
}

#[test]
fn a_receiver_is_found_by_ticket_file_stdin_variable_and_name() {
    let place = Place::new();
    for seed in 0..6 {
        place.picture(&format!("{seed}.png"), seed);
    }
    let receiver = place.receive("--out inbox --label archive");
    place.put("ticket", format!("{}\n", receiver.ticket).as_bytes());
    send(&place, "a", "@ticket", "0.png").with(0);
    let mut piped = place.start("send --json --state a --to - 1.png");
    piped.tell(&receiver.ticket.to_uppercase());
    piped.end().with(0);
    let mut variable = place.command("send --json --state a 2.png");
    variable.env("AECODEC_TICKET", &receiver.ticket);
    network::Program::start(variable).end().with(0);
    send(&place, "a", "archive", "3.png").with(0);
    let listening = &receiver.program.seen()[0];
    send(&place, "a", &listening["key"].as_str().expect("a key")[..8], "4.png").with(0);
    place.run("send --json --state a 5.png").with(0);
    assert_eq!(place.files("inbox").len(), 6);

    for to in ["nobody", "@missing", &receiver.ticket[..60]] {
        let refused = send(&place, "b", to, "0.png");
        assert!(matches!(refused.code, Some(1 | 2)), "{to}: {refused:#?}");
        assert_eq!(refused.errors.lines().count(), 1, "{to}: {}", refused.errors);
    }
    place.run("send --json --state b 0.png").with(2);
}

#[test]
fn live_frames_are_shown_and_their_receiver_is_known_by_name_afterwards() {
    let place = Place::new();
    let receiver = place.receive("--out inbox --label archive");
    // Each frame has one gray level. The samples are digits, because the pipe carries text.
    let frame = |digit: char| format!("P6\n64 48\n255\n{}", digit.to_string().repeat(64 * 48 * 3));
    for to in [receiver.ticket.as_str(), "archive"] {
        let args = "send --json --state a --label gate --stdin ppm --fps 20 --deadline 10000 --to";
        let mut sender = place.start(&format!("{args} {to}"));
        sender.tell(&[frame('0'), frame('9')].concat());
        let sent = sender.end().with(0);
        let total = sent.total();
        assert_eq!((&total["frames"], &total["shown"], &total["in_time"]), (&2.into(), &2.into(), &2.into()));
        let shown = image::open(place.path("inbox/gate.live.jpg")).expect("a picture").to_rgb8();
        assert_eq!(shown.dimensions(), (64, 48));
        let last = shown.get_pixel(32, 24).0;
        assert!(last.iter().all(|&v| v.abs_diff(b'9') < 6), "{last:?}");
        std::fs::remove_file(place.path("inbox/gate.live.jpg")).expect("removed");
    }
}

#[test]
fn the_exit_code_tells_how_it_went() {
    let place = Place::new();
    place.picture("good.png", 1);
    place.put("broken.png", b"\x89PNG\r\n\x1a\n and no more");
    place.put("empty/notes.txt", b"");
    let receiver = place.receive("--out inbox");
    place.run(&format!("send --to {}", receiver.ticket)).with(2);
    send(&place, "a", &receiver.ticket, "empty").with(3);
    let partly = send(&place, "a", &receiver.ticket, "good.png broken.png missing.png").with(4);
    assert_eq!((&partly.total()["pictures"], &partly.total()["failed"]), (&1.into(), &2.into()));
    assert_eq!(partly.errors.lines().count(), 2, "{}", partly.errors);
    send(&place, "a", &receiver.ticket, "broken.png").with(1);
    let ticket = receiver.ticket.clone();
    receiver.program.stop().with(0);
    let gone = send(&place, "a", &ticket, "--again --patience 2 good.png").with(5);
    assert!(gone.errors.contains("run the same command again"), "{}", gone.errors);
}

#[test]
fn a_model_that_the_receiver_lacks_is_brought_if_it_takes_models() {
    let place = Place::new();
    let packed = std::fs::read(repository().join("models/fast/fast.aem")).expect("a model");
    let mut model = aecodec::model_file::unpack(&packed).expect("a model file").into_owned();
    // The card is text at the end of the file; another text makes another model that codes the same.
    let last = model.len() - 2;
    model[last] = b'!';
    place.put("other.aem", &model);
    place.picture("a.png", 1);
    place.picture("b.png", 2);
    place.run("compress a.png b.png -o expected --model other.aem").with(0);

    let mut takes = place.receive("--out inbox --decode png --accept-models");
    send(&place, "a", &takes.ticket, "--model other.aem a.png b.png").with(0);
    for _ in 0..2 {
        assert_eq!(takes.program.until("decoded")["exact"], true);
    }
    assert_eq!(place.files("inbox"), ["a.aec", "a.png", "b.aec", "b.png"]);
    assert!(place.read("inbox/a.aec") == place.read("expected/a.aec"));
    // The model is known from now on.
    place.picture("c.png", 3);
    let (ticket, listen) = (takes.ticket.clone(), takes.address);
    takes.program.stop().with(0);
    let mut knows = place.receive(&format!("--out inbox --decode png --listen {listen}"));
    send(&place, "a", &ticket, "--model other.aem c.png").with(0);
    assert_eq!(knows.program.until("decoded")["exact"], true);

    let mut strict = place.receive("--out strict --decode png");
    send(&place, "b", &strict.ticket, "--model other.aem a.png").with(0);
    let line = strict.program.until("undecoded");
    assert!(line["error"].as_str().expect("a reason").contains("model"), "{line}");
    assert_eq!(place.files("strict"), ["a.aec"]);
    strict.program.stop().with(0);
    // Once the receiver has the model, it decodes the picture.
    let mut given = place.receive("--out strict --decode png --model other.aem");
    assert_eq!(given.program.until("decoded")["exact"], true);
    assert_eq!(place.files("strict"), ["a.aec", "a.png"]);
}

#[cfg(unix)]
#[test]
fn pictures_whose_names_receivers_refuse_arrive_under_others() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let long = "\u{5f71}".repeat(70);
    let names: [&[u8]; 6] =
        [b"2026-11-27T19:32:25", b"caf\xe9", b"aux", b" a?b\x1b[31m", long.as_bytes(), b"plain"];
    for (seed, name) in names.iter().enumerate() {
        place.picture("one.png", seed as u64);
        let folder = place.path("pictures");
        std::fs::create_dir_all(&folder).expect("a folder");
        let name = [name, &b".png"[..]].concat();
        std::fs::rename(place.path("one.png"), folder.join(std::ffi::OsStr::from_bytes(&name)))
            .expect("renamed");
    }
    let mut receiver = place.receive("--out inbox");
    let sent = send(&place, "a", &receiver.ticket, "pictures").with(0);
    assert_eq!((sent.all("delivered").len(), sent.all("renamed").len()), (6, 5), "{sent:#?}");
    let files = place.files("inbox");
    for like in ["2026-11-27T19_32_25~", "caf_~", "_aux~", "_ a_b_[31m~", "plain.aec"] {
        assert!(files.iter().any(|name| name.starts_with(like)), "{like}: {files:?}");
    }
    let paths: Vec<_> =
        sent.all("renamed").iter().map(|line| line["file"].as_str().expect("a path")).collect();
    assert!(paths.iter().any(|path| path.ends_with("caf\\xe9.png")), "{paths:?}");
    assert!(sent.errors.contains("sent as caf_~") && !sent.errors.contains('\u{1b}'), "{}", sent.errors);

    // A watched folder does not end the sender either.
    let watch = format!("send --json --state b --to {} --watch pictures --settle 0.1", receiver.ticket);
    let invited = place.run("peers --out inbox --json invite").with(0);
    let ticket = invited.lines[0]["ticket"].as_str().expect("a ticket");
    let mut watching = place.start(&watch.replace(&receiver.ticket, ticket));
    for _ in 0..6 {
        assert_eq!(watching.until("delivered")["stored"], "before");
    }
    assert!(!watching.has_ended());
    receiver.program.read_ready();
    assert!(receiver.program.seen().iter().all(|line| line["event"] != "declined"));
}

#[test]
fn the_same_picture_under_a_second_name_is_decoded_beside_it() {
    let place = Place::new();
    place.picture("a.png", 1);
    let mut receiver = place.receive("--out inbox --decode png");
    send(&place, "a", &receiver.ticket, "a.png").with(0);
    assert_eq!(receiver.program.until("decoded")["name"], "a.aec");
    std::fs::copy(place.path("a.png"), place.path("b.png")).expect("copied");
    let again = send(&place, "a", &receiver.ticket, "b.png").with(0);
    assert_eq!(again.all("delivered")[0]["stored"], "before");
    assert_eq!(receiver.program.until("decoded")["name"], "b.aec");
    assert_eq!(place.files("inbox"), ["a.aec", "a.png", "b.aec", "b.png"]);
}

#[test]
fn folders_and_patterns_may_have_the_same_names() {
    let place = Place::new();
    for (seed, name) in ["2023/IMG_1.png", "2023/x.png", "2024/IMG_1.png"].into_iter().enumerate() {
        place.picture(name, seed as u64);
    }
    let receiver = place.receive("--out inbox --reusable");
    let sent = send(&place, "a", &receiver.ticket, "2023 2024").with(0);
    assert_eq!(place.files("inbox"), ["2023/IMG_1.aec", "2024/IMG_1.aec", "x.aec"]);
    assert_eq!(sent.all("renamed").len(), 2);
    // The patterns are passed unexpanded, as from a shell with quotes.
    send(&place, "b", &receiver.ticket, "2023/*.png").with(0);
    assert_eq!(place.files("inbox"), ["2023/IMG_1.aec", "2024/IMG_1.aec", "IMG_1.aec", "x.aec"]);
    let none = send(&place, "b", &receiver.ticket, "2025/*.png").with(3);
    assert!(none.errors.contains("matches no file"), "{}", none.errors);
}

#[cfg(target_os = "linux")]
#[test]
fn a_watched_file_is_taken_when_its_writer_has_finished() {
    use std::io::{Seek as _, Write as _};
    let place = Place::new();
    place.picture("whole.bmp", 1);
    let whole = place.read("whole.bmp");
    let half = whole.len() / 4;
    place.put("camera/none.txt", b"");
    // The writer sets the size first, writes a quarter, and pauses.
    let mut writer = std::fs::File::create(place.path("camera/cam.bmp")).expect("a file");
    writer.write_all(&whole[..half]).expect("written");
    writer.set_len(whole.len() as u64).expect("room");
    let receiver = place.receive("--out inbox");
    let watch = format!("send --json --state a --to {} --watch camera --settle 0.1", receiver.ticket);
    let mut sender = place.start(&watch);
    place.picture("camera/other.png", 2);
    // After more than ten times --settle, a notice reports the file, and it is still not sent.
    let has =
        |sender: &network::Program, event: &str| sender.seen().iter().any(|line| line["event"] == event);
    while !(has(&sender, "delivered") && has(&sender, "unfinished")) {
        let line = sender.next();
        assert!(line["taken"] != true && line["name"] != "cam.aec", "{line}");
    }
    writer.seek(std::io::SeekFrom::Start(half as u64)).expect("there");
    writer.write_all(&whole[half..]).expect("written");
    drop(writer);
    assert_eq!(sender.until("delivered")["name"], "cam.aec");
    assert!(sender.seen().iter().all(|line| line["event"] != "failed"), "{:#?}", sender.seen());
    assert_eq!(place.files("inbox"), ["cam.aec", "other.aec"]);
}

#[test]
fn a_ticket_may_be_folded_and_a_host_name_listened_on() {
    let place = Place::new();
    place.picture("a.png", 1);
    let receiver = place.receive("--out inbox --listen localhost:0");
    assert!(receiver.address.ip().is_loopback());
    let (head, tail) = receiver.ticket.split_at(60);
    place.put("mail", format!("\u{feff}> \"{head}\r\n> {tail}\"\r\n").as_bytes());
    send(&place, "a", "@mail", "a.png").with(0);
    assert_eq!(place.files("inbox"), ["a.aec"]);
}
