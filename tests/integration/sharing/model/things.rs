//! The reference's operations on devices and grants.

use super::operation::{Op, Outcome, holds, is_name};
use super::state::{Device, Grant, Id, State};

impl State {
    pub(super) fn takes(&self, org: &str, template: Option<&str>) -> bool {
        let known = self.orgs.get(org).and_then(|it| it.templates.as_ref());
        known.zip(template).is_none_or(|(known, template)| known.iter().any(|it| it == template))
    }

    /// Moves a device; its grants go along.
    pub(super) fn put_device(&mut self, device: &str, org: &str, owner: Option<Id>) {
        let it = self.devices.get_mut(device).unwrap();
        (it.org, it.owner) = (org.to_owned(), owner);
        self.grants
            .iter_mut()
            .filter(|((id, _), _)| id == device)
            .for_each(|(_, it)| it.org = org.to_owned());
    }

    fn views(&self, who: &str, device: &str) -> bool {
        self.decides(who, "view", device, None)
    }

    pub(super) fn provision(
        &mut self,
        who: &str,
        device: &str,
        org: &str,
        name: &str,
        template: Option<&str>,
    ) -> Outcome {
        self.check(who, self.can(who, "PROVISION_DEVICES", org), self.knows_org(who, org))?;
        holds(is_name(name, 60) && self.takes(org, template))?;
        if self.devices.contains_key(device) || self.gone.contains(&("Device", device.to_owned())) {
            return Err(409);
        }
        let (org, owner) = (org.to_owned(), Some(who.to_owned()));
        let it = Device { org, owner, name: name.to_owned(), template: template.map(str::to_owned) };
        self.devices.insert(device.to_owned(), it);
        Ok(())
    }

    pub(super) fn give_to(&mut self, who: &str, device: &str, email: &str) -> Outcome {
        let owner = self.by_email(email).cloned();
        let org = owner.as_ref().map(|it| self.home(it).to_owned());
        self.check_transfer(who, device, org.as_deref())?;
        let (owner, org) = (owner.ok_or(404_u16)?, org.ok_or(404_u16)?);
        let it = &self.devices[device];
        holds(
            self.is_active(&owner)
                && it.owner.as_ref() != Some(&owner)
                && self.takes(&org, it.template.as_deref()),
        )?;
        self.put_device(device, &org, Some(owner));
        Ok(())
    }

    pub(super) fn move_device(&mut self, who: &str, device: &str, org: &str) -> Outcome {
        let org = self.orgs.contains_key(org).then_some(org);
        self.check_transfer(who, device, org)?;
        let org = org.ok_or(404_u16)?;
        holds(self.takes(org, self.devices[device].template.as_deref()))?;
        self.put_device(device, org, None);
        Ok(())
    }

    pub(super) fn clear_owner(&mut self, who: &str, device: &str) -> Outcome {
        self.check_transfer(who, device, None)?;
        self.devices.get_mut(device).unwrap().owner = None;
        Ok(())
    }

    /// Who may transfer, but not there, learns that the destination is no good (404).
    fn check_transfer(&self, who: &str, device: &str, org: Option<&str>) -> Outcome {
        self.check(
            who,
            self.devices.contains_key(device) && self.does(who, "transfer", device),
            self.views(who, device),
        )?;
        if org.is_none_or(|org| self.is_inside(org, self.home(who))) { Ok(()) } else { Err(404) }
    }

    pub(super) fn describe(&mut self, who: &str, device: &str, name: &str) -> Outcome {
        self.check(who, self.does(who, "update_metadata", device), self.views(who, device))?;
        holds(is_name(name, 60))?;
        self.devices.get_mut(device).unwrap().name = name.to_owned();
        Ok(())
    }

    pub(super) fn delete_device(&mut self, who: &str, device: &str) -> Outcome {
        self.check(who, self.does(who, "delete_device", device), self.views(who, device))?;
        self.grants.retain(|(id, _), _| id != device);
        self.devices.remove(device);
        self.gone.insert(("Device", device.to_owned()));
        Ok(())
    }

    pub(super) fn offer(&mut self, who: &str, op: &Op) -> Outcome {
        let now = self.now;
        let Op::Offer { device, emails, control, streams, from, until } = op else { return Err(400) };
        let org = self.devices.get(device).map(|it| it.org.clone()).unwrap_or_default();
        let open = self.orgs.get(&org).is_some_and(|it| it.grants != Some(false));
        let may = self.lends(who, device) && open && (!control || self.does(who, "control", device));
        self.check(who, may, self.views(who, device))?;
        holds(until.is_none_or(|until| until > from.unwrap_or(now).max(now)))?;
        holds(streams.as_ref().is_none_or(|it| !it.is_empty()))?;
        let mut grantees = Vec::new();
        for email in emails {
            let grantee = self.by_email(email).cloned().ok_or(404_u16)?;
            let owns = self.devices[device].owner.as_ref() == Some(&grantee);
            holds(self.is_active(&grantee) && !owns && grantee != who)?;
            grantees.push(grantee);
        }
        for grantee in grantees {
            let (granter, status) = (who.to_owned(), "offered".to_owned());
            let (control, streams, from, until) = (*control, streams.clone(), *from, *until);
            let grant = Grant { org: org.clone(), granter, status, control, streams, from, until };
            self.grants.insert((device.clone(), grantee), grant);
        }
        Ok(())
    }

    fn answer(&mut self, device: &str, grantee: &str, status: &str) {
        self.grants.get_mut(&(device.to_owned(), grantee.to_owned())).unwrap().status = status.to_owned();
    }

    fn status(&self, device: &str, grantee: &str) -> Option<&str> {
        self.grants.get(&(device.to_owned(), grantee.to_owned())).map(|it| it.status.as_str())
    }

    pub(super) fn accept(&mut self, who: &str, device: &str, grantee: &str) -> Outcome {
        let status = self.status(device, grantee);
        let (may, sees) =
            (who == grantee && status == Some("offered"), self.knows_grant(who, device, grantee));
        self.check(who, may, status.is_some() && sees)?;
        self.answer(device, grantee, "accepted");
        Ok(())
    }

    pub(super) fn decline(&mut self, who: &str, device: &str, grantee: &str) -> Outcome {
        let status = self.status(device, grantee);
        let sees = status.is_some() && self.knows_grant(who, device, grantee);
        self.check(who, who == grantee && status.is_some(), sees)?;
        holds(status != Some("revoked"))?;
        self.answer(device, grantee, "declined");
        Ok(())
    }

    pub(super) fn revoke(&mut self, who: &str, device: &str, grantee: &str) -> Outcome {
        let exists = self.status(device, grantee).is_some();
        self.check(
            who,
            self.ends_grant(who, device, grantee),
            exists && self.knows_grant(who, device, grantee),
        )?;
        self.answer(device, grantee, "revoked");
        Ok(())
    }
}
