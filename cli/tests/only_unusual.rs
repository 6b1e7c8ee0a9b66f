//! `aecodec send --only-unusual`: unusual pictures arrive whole, and previews of the others.

mod network;

use network::Place;

#[test]
fn usual_pictures_arrive_as_previews_and_unusual_ones_whole() {
    let place = Place::new();
    let frame = |i: u32, object: bool| {
        let picture = image::RgbImage::from_fn(320, 240, |x, y| {
            let noise = (x * 7919 + y * 104_729 + i * 1_299_709) % 1009 % 7;
            let wall = (60 + (x / 16 * 40 + y / 12 * 50) % 100) * (90 + i % 21) / 100;
            let inside = object && (100..150).contains(&x) && (80..140).contains(&y);
            let shade = if inside { 240 } else { wall };
            image::Rgb([(shade + noise) as u8, (shade * 3 / 4 + noise) as u8, noise as u8 + 40])
        });
        let mut png = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut png, image::ImageFormat::Png).expect("a PNG");
        png.into_inner()
    };
    for i in 0..40 {
        place.put(&format!("normal/{i}.png"), &frame(i, false));
    }
    for i in 0..3 {
        place.put(&format!("new/{i}.png"), &frame(50 + i, i == 1));
    }
    place.run("anomaly learn normal -o camera.ano").with(0);
    let receiver = place.receive("--out inbox --no-decode");
    let sent = place
        .run(&format!("send --json --state camera --to {} new --only-unusual camera.ano", receiver.ticket))
        .with(0);
    receiver.program.stop().with(0);
    let screened = &sent.total()["screened"];
    assert_eq!((&screened["full"]["pictures"], &screened["previews"]["pictures"]), (&1.into(), &2.into()));
    let bytes = |of: &str| screened[of]["bytes"].as_u64().expect("a number");
    assert!(bytes("previews") < 2 * bytes("full"), "{screened}");
    let sizes: Vec<usize> = (0..3).map(|i| place.read(&format!("inbox/{i}.aec")).len()).collect();
    assert!(sizes[0] < sizes[1] && sizes[2] < sizes[1], "{sizes:?}");
}
