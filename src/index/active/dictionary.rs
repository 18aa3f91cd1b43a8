//! The names of an active index: projects, and the types and modules of each.

use std::sync::Arc;

use hashbrown::HashMap;

use super::types::TypeList;
use crate::index::{ModuleNo, ProjectNo, TypeNo, count32};

#[derive(Debug)]
pub(in crate::index) struct Project {
    pub(in crate::index) id: [u8; 16],
    /// Ordinal of its first event.
    pub(in crate::index) first: u32,
    pub(in crate::index) types: HashMap<Arc<str>, TypeNo>,
    pub(in crate::index) modules: HashMap<Arc<str>, ModuleNo>,
}

#[derive(Debug)]
pub(in crate::index) struct Type {
    pub(in crate::index) project: ProjectNo,
    pub(in crate::index) name: Arc<str>,
    pub(in crate::index) list: Arc<TypeList>,
}

#[derive(Debug)]
pub(in crate::index) struct Module {
    pub(in crate::index) project: ProjectNo,
    pub(in crate::index) name: Arc<str>,
    /// Ordinal of its first event.
    pub(in crate::index) first: u32,
}

/// All names, in order of appearance; a number is a place in its list.
#[derive(Debug, Default)]
pub(in crate::index) struct Dictionary {
    pub(in crate::index) projects: Vec<Project>,
    pub(in crate::index) types: Vec<Type>,
    pub(in crate::index) modules: Vec<Module>,
    by_id: HashMap<[u8; 16], ProjectNo>,
}

impl Dictionary {
    pub(in crate::index) fn project(&self, id: &[u8; 16]) -> Option<ProjectNo> {
        self.by_id.get(id).copied()
    }

    /// The number of a project, a new one where the project is new.
    pub(super) fn add_project(&mut self, id: [u8; 16], ordinal: u32) -> ProjectNo {
        if let Some(no) = self.project(&id) {
            return no;
        }
        let no = ProjectNo::new(count32(self.projects.len()));
        self.projects.push(Project { id, first: ordinal, types: HashMap::new(), modules: HashMap::new() });
        self.by_id.insert(id, no);
        no
    }

    /// The number and list of a type, new ones where the type is new.
    pub(super) fn add_type(&mut self, project: ProjectNo, name: &str) -> Option<(TypeNo, Arc<TypeList>)> {
        let types = &mut self.projects.get_mut(project.index())?.types;
        if let Some(no) = types.get(name) {
            return Some((*no, Arc::clone(&self.types.get(no.index())?.list)));
        }
        let no = TypeNo::new(count32(self.types.len()));
        let name: Arc<str> = name.into();
        let list = Arc::<TypeList>::default();
        types.insert(Arc::clone(&name), no);
        self.types.push(Type { project, name, list: Arc::clone(&list) });
        Some((no, list))
    }

    /// The number of a module, a new one where the module is new.
    pub(super) fn add_module(&mut self, project: ProjectNo, name: &str, ordinal: u32) -> Option<ModuleNo> {
        let modules = &mut self.projects.get_mut(project.index())?.modules;
        if let Some(no) = modules.get(name) {
            return Some(*no);
        }
        let no = ModuleNo::new(count32(self.modules.len()));
        let name: Arc<str> = name.into();
        modules.insert(Arc::clone(&name), no);
        self.modules.push(Module { project, name, first: ordinal });
        Some(no)
    }
}
