//! Writes a scene down as the JSON of an envelope.

use super::catalogue::{
    CAMPAIGNS, CATEGORIES, CHANNELS, CITIES, COUNTRIES, CURRENCIES, Form, LIFECYCLES, LOCALES, METHODS,
    PLANS, PRODUCT_NAMES, QUERIES, REFERRERS, SUBJECTS, USER_AGENTS,
};
use super::random::{Random, chosen, mix, mix_with};
use super::text::{Json, push_hex, push_number};
use super::{Options, Scene, Shape, org_id, project_id};

/// What all lines of one generator share.
#[derive(Debug)]
pub(super) struct Renderer {
    /// For each project, the line up to the module.
    heads: Vec<String>,
    shape: Shape,
    /// Makes the message ids, if there are any.
    message_salt: Option<u64>,
    lines: u64,
}

impl Renderer {
    pub(super) fn new(options: &Options, salt: u64) -> Self {
        let head = |project| {
            let (org, project) = (org_id(project), project_id(project));
            format!(r#"{{"orgId":"{org}","projectId":"{project}""#)
        };
        Self {
            heads: (0..options.projects).map(head).collect(),
            shape: options.shape,
            message_salt: options.message_ids.then_some(salt),
            lines: 0,
        }
    }

    /// Appends the line for `scene`.
    pub(super) fn render(&mut self, scene: &Scene, out: &mut String) {
        let mut json = Json::new(out);
        json.raw(&self.heads[scene.project]);
        json.text("module", scene.kind.module);
        json.text("eventType", scene.kind.name);
        json.time("timestamp", scene.time_ms);
        json.tag("userId", "user_", scene.user as u64, USER_DIGITS);
        if self.shape == Shape::Full {
            json.hex("anonymousId", "anon_", device_hash(scene.user), 12);
        }
        if let Some(salt) = self.message_salt {
            json.hex("messageId", "m_", mix_with(salt, self.lines), 16);
        }
        self.lines += 1;
        if self.shape == Shape::Full {
            let mut random = Random::new(scene.details);
            if scene.kind.form != Form::Identify {
                json.open("properties");
                json.hex("sessionId", "s_", scene.session, 8);
                properties(scene, &mut random, &mut json);
                json.close();
            }
            context(scene, &mut random, &mut json);
        }
        json.close();
    }
}

/// Digits of the number in a user id, at least.
pub(super) const USER_DIGITS: usize = 6;

fn device_hash(user: usize) -> u64 {
    mix_with(1, user as u64)
}

/// Hundredths of the currency.
fn price(product: u32) -> u64 {
    199 + mix_with(2, u64::from(product)) % 19_800
}

fn total(scene: &Scene) -> u64 {
    scene.cart.iter().take(scene.items).map(|product| price(*product)).sum()
}

fn currency(scene: &Scene) -> &'static str {
    CURRENCIES[scene.project % CURRENCIES.len()]
}

fn properties(scene: &Scene, random: &mut Random, json: &mut Json<'_>) {
    match scene.kind.form {
        Form::Visit => visit(random, json),
        Form::Listing => listing(random, json),
        Form::Search => search(random, json),
        Form::Product => product(scene, random, json),
        Form::Cart => cart(scene, json),
        Form::Checkout => checkout(scene, random, json),
        Form::Order => order(scene, random, json),
        Form::Promo => promo(random, json),
        Form::Link => link(random, json),
        Form::Message => message(random, json),
        Form::Ticket => ticket(random, json),
        Form::Payment => payment(scene, random, json),
        Form::Account => account(random, json),
        Form::Identify => {}
    }
}

fn visit(random: &mut Random, json: &mut Json<'_>) {
    json.number("durationMs", 200 + random.below(90_000));
    json.hundredths("scrollDepth", random.below(101));
    json.flag("firstVisit", random.happens(150));
}

fn listing(random: &mut Random, json: &mut Json<'_>) {
    json.text("category", random.pick(&CATEGORIES));
    json.text("sort", random.pick(&["price", "rating", "new"]));
    json.open("filters");
    json.flag("inStock", random.happens(700));
    json.number("priceMax", 10 * (1 + random.below(30)));
    json.close();
}

fn search(random: &mut Random, json: &mut Json<'_>) {
    json.text("query", random.pick(&QUERIES));
    json.number("results", random.below(400));
    json.flag("suggested", random.happens(300));
    json.number("tookMs", 3 + random.below(120));
}

fn product(scene: &Scene, random: &mut Random, json: &mut Json<'_>) {
    let hash = mix(u64::from(scene.product));
    json.tag("sku", "sku_", u64::from(scene.product), 4);
    json.text("name", chosen(&PRODUCT_NAMES, hash));
    json.text("category", chosen(&CATEGORIES, hash.rotate_left(32)));
    json.hundredths("price", price(scene.product));
    if scene.kind.name == "review.written" {
        json.number("rating", 1 + random.below(5));
    }
}

fn cart(scene: &Scene, json: &mut Json<'_>) {
    json.hex("cartId", "cart_", mix(scene.session), 8);
    json.number("itemCount", scene.items as u64);
    json.hundredths("value", total(scene));
    json.text("currency", currency(scene));
}

fn checkout(scene: &Scene, random: &mut Random, json: &mut Json<'_>) {
    json.hex("cartId", "cart_", mix(scene.session), 8);
    json.number("step", if scene.kind.name == "shipping.entered" { 2 } else { 3 });
    json.text("method", random.pick(&METHODS));
    json.flag("guest", random.happens(200));
    json.hundredths("value", total(scene));
}

fn order(scene: &Scene, random: &mut Random, json: &mut Json<'_>) {
    json.hex("orderId", "o_", scene.details, 8);
    json.number("amount", total(scene));
    json.text("currency", currency(scene));
    json.open_list("items");
    for product in scene.cart.iter().take(scene.items) {
        json.open_item();
        json.tag("sku", "sku_", u64::from(*product), 4);
        json.hundredths("price", price(*product));
        json.close();
    }
    json.close_list();
    json.flag("express", random.happens(250));
}

fn promo(random: &mut Random, json: &mut Json<'_>) {
    json.text("promotion", random.pick(&CAMPAIGNS));
    json.text("placement", random.pick(&["banner", "sidebar", "footer"]));
    json.hundredths("discount", 5 * (1 + random.below(10)));
    json.flag("personal", random.happens(400));
}

fn link(random: &mut Random, json: &mut Json<'_>) {
    json.hex("linkId", "l_", random.next(), 6);
    json.open("campaign");
    json.text("source", random.pick(&CHANNELS));
    json.text("name", random.pick(&CAMPAIGNS));
    json.close();
    json.flag("unique", random.happens(800));
}

fn message(random: &mut Random, json: &mut Json<'_>) {
    json.tag("templateId", "tpl_", random.below(40), 2);
    json.text("campaign", random.pick(&CAMPAIGNS));
    json.text("subject", random.pick(&SUBJECTS));
    json.text("variant", random.pick(&["a", "b"]));
}

fn ticket(random: &mut Random, json: &mut Json<'_>) {
    json.tag("ticketId", "t_", random.below(100_000), 5);
    json.text("priority", random.pick(&["low", "normal", "high"]));
    json.open_list("tags");
    for _ in 0..=random.below(3) {
        json.item(random.pick(&["delivery", "refund", "login", "damaged"]));
    }
    json.close_list();
    json.flag("firstReply", random.happens(500));
}

fn payment(scene: &Scene, random: &mut Random, json: &mut Json<'_>) {
    json.hex("invoiceId", "inv_", random.next(), 8);
    json.number("amount", total(scene));
    json.text("currency", currency(scene));
    json.text("method", random.pick(&METHODS));
    json.number("attempt", 1 + random.below(3));
}

fn account(random: &mut Random, json: &mut Json<'_>) {
    json.text("changedBy", random.pick(&["user", "support", "system"]));
    json.flag("verified", random.happens(600));
    json.open("consent");
    json.flag("email", random.happens(500));
    json.flag("sms", random.happens(100));
    json.close();
}

fn context(scene: &Scene, random: &mut Random, json: &mut Json<'_>) {
    let device = mix(device_hash(scene.user));
    json.open("context");
    json.text("userAgent", chosen(&USER_AGENTS, device));
    json.text("locale", chosen(&LOCALES, mix(device)));
    json.key("ip");
    address(scene, json);
    if scene.kind.form == Form::Identify {
        traits(scene, random, json);
    } else {
        page(scene, json);
        if random.happens(250) {
            json.text("referrer", random.pick(&REFERRERS));
        }
    }
    json.close();
}

fn page(scene: &Scene, json: &mut Json<'_>) {
    let (path, title) = scene.kind.form.page();
    json.open("page");
    if scene.kind.form == Form::Product {
        json.tag("url", "https://shop.example/p/sku_", u64::from(scene.product), 4);
    } else {
        json.key("url");
        json.raw("\"https://shop.example/");
        json.raw(path);
        json.raw("\"");
    }
    json.text("title", title);
    json.close();
}

/// The session's address, from the ranges that are set aside for documentation (RFC 5737, RFC 3849).
fn address(scene: &Scene, json: &mut Json<'_>) {
    let hash = mix_with(3, scene.session);
    json.raw("\"");
    if hash % 100 < 20 {
        json.with(|out| {
            out.push_str("2001:db8:");
            for group in 0..2 {
                push_hex(out, hash >> (16 + 16 * group), 4);
                out.push(':');
            }
            out.push(':');
            push_hex(out, hash >> 48, 3);
        });
    } else {
        json.raw(chosen(&["192.0.2.", "198.51.100.", "203.0.113."], hash));
        json.with(|out| push_number(out, 1 + (hash >> 8) % 254, 1));
    }
    json.raw("\"");
}

const TRAITS: u64 = 13;

/// Three to eight traits, different ones each time, so that a profile grows and changes.
fn traits(scene: &Scene, random: &mut Random, json: &mut Json<'_>) {
    let count = 3 + random.below(6);
    let first = random.below(TRAITS);
    json.open("traits");
    for place in first..first + count {
        one_trait(place % TRAITS, scene, random, json);
    }
    json.close();
}

fn one_trait(place: u64, scene: &Scene, random: &mut Random, json: &mut Json<'_>) {
    let person = mix_with(4, scene.user as u64);
    // City and country belong together.
    let home = Random::new(person).index(CITIES.len());
    match place {
        0 => {
            json.key("email");
            json.with(|out| {
                out.push_str("\"u");
                push_number(out, scene.user as u64, 1);
                out.push_str("@mail.example\"");
            });
        }
        1 => json.text("city", CITIES[home]),
        2 => json.text("country", COUNTRIES[home]),
        3 => json.text("lifecycle", random.pick(&LIFECYCLES)),
        4 => json.text("plan", random.pick(&PLANS)),
        5 => json.flag("newsletter", random.happens(500)),
        6 => json.number("age", 18 + (person >> 16) % 60),
        7 => json.text("acquisitionChannel", chosen(&CHANNELS, person)),
        8 => json.hundredths("lifetimeValue", random.below(500_000)),
        9 => {
            json.open("company");
            json.hex("name", "Company ", person, 3);
            json.number("employees", 1 + (person >> 24) % 500);
            json.close();
        }
        10 => {
            json.open_list("interests");
            json.item(random.pick(&CATEGORIES));
            json.item(random.pick(&CATEGORIES));
            json.close_list();
        }
        11 if random.happens(300) => json.null("coupon"),
        11 => json.tag("coupon", "SAVE-", random.below(100), 2),
        _ => json.flag("marketingConsent", random.happens(400)),
    }
}
