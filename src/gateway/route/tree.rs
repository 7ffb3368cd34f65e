//! Finds routes segment by segment: a literal before a parameter, whole segments only.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use crate::gateway::route::Route;
use crate::gateway::route::pattern::Segment;

/// A tree of patterns; its depth is that of the longest pattern.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    literals: HashMap<Box<str>, Tree>,
    param: Option<Box<Tree>>,
    here: Vec<(Method, Vec<Arc<Route>>)>,
}

impl Tree {
    /// The tree of all routes.
    pub(super) fn grow(routes: &[Arc<Route>]) -> Self {
        let mut tree = Self::default();
        routes.iter().for_each(|route| tree.plant(route));
        tree
    }

    fn plant(&mut self, route: &Arc<Route>) {
        let mut node = self;
        for segment in route.pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Param(_) => node.param.get_or_insert_default(),
            };
        }
        let method = route.method();
        match node.here.iter_mut().find(|(known, _)| known == method) {
            Some((_, routes)) => routes.push(Arc::clone(route)),
            None => node.here.push((method.clone(), vec![Arc::clone(route)])),
        }
    }

    /// The routes of the first pattern that has the method, the most literal first.
    ///
    /// Each node is visited at most once, so a path costs no more than the map is large.
    pub(super) fn find<S: AsRef<str>>(&self, method: &Method, segments: &[S]) -> Option<&[Arc<Route>]> {
        let Some((first, rest)) = segments.split_first() else { return self.for_method(method) };
        let literal = self.literals.get(first.as_ref()).and_then(|node| node.find(method, rest));
        literal.or_else(|| self.below_param(first.as_ref())?.find(method, rest))
    }

    /// An empty segment names nothing.
    fn below_param(&self, segment: &str) -> Option<&Self> {
        self.param.as_deref().filter(|_| !segment.is_empty())
    }

    fn for_method(&self, method: &Method) -> Option<&[Arc<Route>]> {
        let of = |wanted: &Method| self.here.iter().find(|(known, _)| known == wanted);
        let found = of(method).or_else(|| if *method == Method::HEAD { of(&Method::GET) } else { None });
        found.map(|(_, routes)| routes.as_slice())
    }

    /// Every method that some pattern for the path has.
    pub(super) fn methods<S: AsRef<str>>(&self, segments: &[S]) -> Vec<Method> {
        let Some((first, rest)) = segments.split_first() else {
            return self.here.iter().map(|(method, _)| method.clone()).collect();
        };
        let literal = self.literals.get(first.as_ref());
        let nodes = literal.into_iter().chain(self.below_param(first.as_ref()));
        let mut methods: Vec<Method> = nodes.flat_map(|node| node.methods(rest)).collect();
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        methods.dedup();
        methods
    }
}
