//! What a shop's events are called, and the words that they are made of. All texts are JSON text, already escaped.

/// One type of event, with the module that sends it and the kind of properties that suit it.
#[derive(Debug)]
pub(super) struct EventType {
    pub(super) name: &'static str,
    pub(super) module: &'static str,
    pub(super) form: Form,
}

/// The kinds of properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Visit,
    Listing,
    Search,
    Product,
    Cart,
    Checkout,
    Order,
    Promo,
    Link,
    Message,
    Ticket,
    Payment,
    Account,
    Identify,
}

const fn event(name: &'static str, module: &'static str, form: Form) -> EventType {
    EventType { name, module, form }
}

/// The event that sets traits.
pub(super) static IDENTIFY: EventType = event("identify", "profiles", Form::Identify);

/// All other types, the most frequent first.
pub(super) static EVENT_TYPES: [EventType; 60] = [
    event("product.viewed", "analytics", Form::Product),
    event("catalog.viewed", "analytics", Form::Listing),
    event("search.performed", "analytics", Form::Search),
    event("home.viewed", "analytics", Form::Visit),
    event("filter.applied", "analytics", Form::Listing),
    event("link.clicked", "links", Form::Link),
    event("cart.item_added", "analytics", Form::Product),
    event("cart.viewed", "analytics", Form::Cart),
    event("email.opened", "messaging", Form::Message),
    event("email.delivered", "messaging", Form::Message),
    event("wishlist.item_added", "analytics", Form::Product),
    event("promo.viewed", "analytics", Form::Promo),
    event("session.started", "analytics", Form::Visit),
    event("review.viewed", "analytics", Form::Product),
    event("checkout.started", "analytics", Form::Cart),
    event("shipping.entered", "analytics", Form::Checkout),
    event("payment.entered", "analytics", Form::Checkout),
    event("order.placed", "analytics", Form::Order),
    event("email.sent", "messaging", Form::Message),
    event("push.delivered", "messaging", Form::Message),
    event("push.opened", "messaging", Form::Message),
    event("cart.item_removed", "analytics", Form::Product),
    event("account.viewed", "analytics", Form::Visit),
    event("email.clicked", "messaging", Form::Message),
    event("order.shipped", "analytics", Form::Order),
    event("order.delivered", "analytics", Form::Order),
    event("payment.succeeded", "billing", Form::Payment),
    event("invoice.created", "billing", Form::Payment),
    event("invoice.paid", "billing", Form::Payment),
    event("chat.started", "support", Form::Ticket),
    event("link.created", "links", Form::Link),
    event("compare.viewed", "analytics", Form::Product),
    event("image.zoomed", "analytics", Form::Product),
    event("video.played", "analytics", Form::Product),
    event("offer.shown", "analytics", Form::Promo),
    event("coupon.applied", "analytics", Form::Promo),
    event("article.read", "analytics", Form::Visit),
    event("ticket.opened", "support", Form::Ticket),
    event("ticket.replied", "support", Form::Ticket),
    event("payment.failed", "billing", Form::Payment),
    event("newsletter.joined", "messaging", Form::Message),
    event("email.bounced", "messaging", Form::Message),
    event("wishlist.shared", "analytics", Form::Product),
    event("review.written", "analytics", Form::Product),
    event("order.cancelled", "analytics", Form::Order),
    event("refund.issued", "billing", Form::Payment),
    event("return.requested", "support", Form::Ticket),
    event("subscription.started", "billing", Form::Payment),
    event("subscription.renewed", "billing", Form::Payment),
    event("ticket.solved", "support", Form::Ticket),
    event("survey.answered", "support", Form::Ticket),
    event("points.earned", "analytics", Form::Promo),
    event("address.changed", "profiles", Form::Account),
    event("password.changed", "profiles", Form::Account),
    event("account.created", "profiles", Form::Account),
    event("consent.given", "profiles", Form::Account),
    event("sms.sent", "messaging", Form::Message),
    event("link.expired", "links", Form::Link),
    event("card.expired", "billing", Form::Payment),
    event("account.closed", "profiles", Form::Account),
];

impl Form {
    /// Path and title of the page on which such an event happens.
    pub(super) const fn page(self) -> (&'static str, &'static str) {
        match self {
            Self::Visit => ("home", "Home"),
            Self::Listing => ("catalog", "Products"),
            Self::Search => ("search", "Search"),
            Self::Product => ("p", "Product"),
            Self::Cart => ("cart", "Your cart"),
            Self::Checkout => ("checkout", "Checkout"),
            Self::Order => ("orders", "Your orders"),
            Self::Promo => ("offers", "Offers of the week"),
            Self::Link => ("l", "Link"),
            Self::Message => ("inbox", "Inbox"),
            Self::Ticket => ("help", "Help \\u0026 more"),
            Self::Payment => ("billing", "Billing"),
            Self::Account => ("account", "Your account"),
            Self::Identify => ("sign-in", "Sign in"),
        }
    }
}

pub(super) const USER_AGENTS: [&str; 10] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/135.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/134.0",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/132.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:136.0) Gecko/20100101 Firefox/136.0 (shop app)",
];

pub(super) const LOCALES: [&str; 8] = ["de-DE", "en-GB", "en-US", "fr-FR", "pt-BR", "zh-CN", "sv-SE", "ar"];

pub(super) const REFERRERS: [&str; 6] = [
    "https://www.google.com/",
    "https://news.example/a",
    "https://social.example/",
    "https://duckduckgo.com/",
    "https://ally.example/?r=7",
    "android-app://mail.app/",
];

pub(super) const CURRENCIES: [&str; 4] = ["EUR", "USD", "GBP", "CHF"];

pub(super) const CATEGORIES: [&str; 8] =
    ["kitchen", "garden", "toys", "office", "sports", "lamps", "books", "home & living"];

pub(super) const PRODUCT_NAMES: [&str; 12] = [
    "Tea cup \\\"Ada\\\"",
    "Caf\u{e9} press",
    "Desk lamp",
    "Garden chair",
    "Woollen blanket",
    "Chef's knife 8\\\"",
    "K\u{e4}sehobel",
    "Notebook A5",
    "Running belt",
    "Wooden train",
    "Water bottle",
    "Bread box",
];

pub(super) const QUERIES: [&str; 10] = [
    "tea cup",
    "lamp",
    "garden chair",
    "gift for dad",
    "k\u{e4}se",
    "\u{8336}\u{676f}",
    "knife 8\\\"",
    "blanket",
    "notebook a5",
    "bread",
];

pub(super) const CAMPAIGNS: [&str; 6] =
    ["spring_sale", "welcome", "win_back", "newsletter_12", "black_friday", "cart_reminder"];

pub(super) const SUBJECTS: [&str; 6] = [
    "It is on its way",
    "Still thinking?",
    "20 % off \u{2013} this week",
    "Welcome to the shop",
    "We miss you \u{1f44b}",
    "How was it?",
];

pub(super) const CITIES: [&str; 8] =
    ["Berlin", "Z\u{fc}rich", "Lyon", "Porto", "Malm\u{f6}", "Leeds", "S\u{e3}o Paulo", "\u{676d}\u{5dde}"];

pub(super) const COUNTRIES: [&str; 8] = ["DE", "CH", "FR", "PT", "SE", "GB", "BR", "CN"];

pub(super) const LIFECYCLES: [&str; 4] = ["new", "active", "loyal", "returning"];

pub(super) const CHANNELS: [&str; 5] = ["email", "organic", "paid", "social", "partner"];

pub(super) const PLANS: [&str; 3] = ["free", "plus", "pro"];

pub(super) const METHODS: [&str; 4] = ["card", "invoice", "paypal", "transfer"];
