//! Hue, saturation and value of a colour, each a byte, as Pillow converts them.

/// From red, green and blue.
pub fn hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let saturation = range / f32::from(most);
    let from_most = |v: u8| f32::from(most - v) / range;
    let sector = match most {
        _ if r == most => from_most(b) - from_most(g),
        _ if g == most => 2.0 + from_most(r) - from_most(b),
        _ => 4.0 + from_most(g) - from_most(r),
    };
    let hue = (f64::from(sector) / 6.0 + 1.0).fract();
    [(hue * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

/// To red, green and blue.
pub fn rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let (turns, saturation, value) = (f32::from(h) * 6.0 / 255.0, f32::from(s) / 255.0, f32::from(v));
    let within = turns - turns.floor();
    let byte = |share: f32| (value * (1.0 - saturation * share)).round() as u8;
    let (p, q, t) = (byte(1.0), byte(within), byte(1.0 - within));
    match turns as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
